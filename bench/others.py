"""Other runtimes as systems: ONNX Runtime and OpenVINO, on the model exported at a phase's sizes.

Both are optional: what is missing, or cannot be exported, is a `SkippedError` with its reason. Prefill only.
"""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from . import models

Function = Callable[..., torch.Tensor]
NEEDS = {"onnxruntime": ("onnx", "onnxruntime", "onnxscript"), "openvino": ("openvino",)}
"""The packages of each runtime."""


class SkippedError(Exception):
    """Why a system is not measured, in one line."""


def missing(system: str) -> list[str]:
    """The packages that the runtime needs and that are not installed."""
    return [package for package in NEEDS[system] if importlib.util.find_spec(package) is None]


def available() -> list[str]:
    """The runtimes whose packages are installed."""
    return [system for system in RUNTIMES if not missing(system)]


def exported(system: str, model: nn.Module, call: models.Call, dtype: str, threads: int) -> Function:
    """The runtime's function of the call's arguments, which gives the tensor that is compared. It has run once.

    It computes everything that the model returns, the KV cache too. Raises SkippedError, whatever went wrong.
    """
    if missing(system):
        raise SkippedError(f"not installed: {', '.join(missing(system))}")
    if call.cache is not None:
        raise SkippedError("exported for prefill only")
    names = [name for name, value in call.kwargs.items() if isinstance(value, torch.Tensor)]
    flat = Flat(model, names, {name: value for name, value in call.kwargs.items() if name not in names}).eval()
    try:
        run = RUNTIMES[system](flat, [call.kwargs[name] for name in names], dtype, threads)
        run([call.kwargs[name].numpy() for name in names])
    except SkippedError:
        raise
    except Exception as error:
        raise SkippedError(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
    return lambda **kwargs: torch.from_numpy(run([kwargs[name].numpy() for name in names]))


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


def _onnxruntime(flat: Flat, tensors: list[torch.Tensor], dtype: str, threads: int) -> Callable[[list[Any]], Any]:
    import onnxruntime  # pyright: ignore[reportMissingImports]

    if dtype != "fp32":
        raise SkippedError(f"ONNX Runtime has no {dtype} products on CPUs")
    program = torch.onnx.export(flat, tuple(tensors), dynamo=True, verbose=False)
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.force_spinning_stop", "1")  # or its threads spin into others' calls
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options, ["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    return lambda arrays: session.run(None, dict(zip(names, arrays, strict=True)))[0]


def _openvino(flat: Flat, tensors: list[torch.Tensor], dtype: str, threads: int) -> Callable[[list[Any]], Any]:
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


RUNTIMES: dict[str, Callable[[Flat, list[torch.Tensor], str, int], Callable[[list[Any]], Any]]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
