"""ONNX Runtime and OpenVINO, on the model exported at a phase's sizes. Prefill only.

They compute everything that the model returns, the KV cache too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from .. import models
from .skipped import Function, SkippedError

Run = Callable[[list[Any]], Any]
"""Numpy arrays, in the order of the tensors exported with → the first result."""


class Flat(nn.Module):
    """A model as a function from tensors to tensors: its result, then the keys and values of each layer's cache."""

    def __init__(self, model: nn.Module, names: Sequence[str], options: dict[str, Any]):
        super().__init__()
        self.model = model
        self.names = names
        self.options = options

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        output = self.model(**dict(zip(self.names, tensors, strict=True)), **self.options)
        layers = output.past_key_values.layers if "past_key_values" in output else ()
        return (models.result(output), *(t for layer in layers for t in (layer.keys, layer.values)))


def onnxruntime(model: nn.Module, call: models.Call, dtype: str, threads: int) -> Function:
    """Raises SkippedError for a decode step, and for a dtype other than fp32."""
    if dtype != "fp32":
        raise SkippedError(f"ONNX Runtime has no {dtype} products on CPUs")
    return _function(_onnxruntime, model, call, dtype, threads)


def openvino(model: nn.Module, call: models.Call, dtype: str, threads: int) -> Function:
    """Raises SkippedError for a decode step, and for bf16 where the processor has no such products."""
    return _function(_openvino, model, call, dtype, threads)


def _function(
    build: Callable[[Flat, list[torch.Tensor], str, int], Run],
    model: nn.Module,
    call: models.Call,
    dtype: str,
    threads: int,
) -> Function:
    if call.cache is not None:
        raise SkippedError("exported for prefill only")
    names = [name for name, value in call.kwargs.items() if isinstance(value, torch.Tensor)]
    flat = Flat(model, names, {name: value for name, value in call.kwargs.items() if name not in names}).eval()
    run = build(flat, [call.kwargs[name] for name in names], dtype, threads)
    return lambda **kwargs: torch.from_numpy(run([kwargs[name].numpy() for name in names]))


def _onnxruntime(flat: Flat, tensors: list[torch.Tensor], dtype: str, threads: int) -> Run:
    import onnxruntime  # pyright: ignore[reportMissingImports]

    program = torch.onnx.export(flat, tuple(tensors), dynamo=True, verbose=False)
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.force_spinning_stop", "1")  # or its threads spin into others' calls
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options, ["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    return lambda arrays: session.run(None, dict(zip(names, arrays, strict=True)))[0]


def _openvino(flat: Flat, tensors: list[torch.Tensor], dtype: str, threads: int) -> Run:
    import openvino  # pyright: ignore[reportMissingImports]

    core = openvino.Core()
    if dtype == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise SkippedError("OpenVINO has no bf16 products on this CPU")
    wide = copy.deepcopy(flat).float()
    program = torch.export.export(wide, tuple(tensors), strict=False)
    drop_empty_parts(program.graph_module.graph)
    converted = openvino.convert_model(program)
    settings = {
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[dtype],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(converted, "CPU", settings).create_infer_request()
    return lambda arrays: request.infer(arrays, share_inputs=True, share_outputs=True)[0]


def drop_empty_parts(graph: torch.fx.Graph) -> None:
    """Takes out concatenations of one tensor with empty ones, which a cache begins with and OpenVINO does not know."""
    for node in list(graph.nodes):
        if node.target is not torch.ops.aten.cat.default:
            continue
        parts = [part for part in node.args[0] if part.meta["val"].numel()]
        if len(parts) == 1:
            node.replace_all_uses_with(parts[0])
            graph.erase_node(node)
