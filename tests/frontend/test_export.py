"""Exported programs: the same modules, called with the model's own arguments."""

import pytest
import torch

from imported_backend import interpreter
from model_zoo import build, inputs
from warpweave.frontend.export import export_graph
from warpweave.ir import flow


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)
        self.register_buffer("total", torch.zeros(4))
        self.register_buffer("scale", torch.full((4,), 2.0), persistent=False)

    def forward(self, x, *, flags, shift=None):
        self.total += x.sum(0)
        return {"y": self.linear(x) * self.scale + flags["bias"], "total": self.total * 1}


def test_state_results_and_mutations():
    torch.manual_seed(0)
    model, x, bias = Counter(), torch.randn(3, 4), torch.randn(4)
    with torch.no_grad():
        graph = export_graph(model, (x,), {"flags": {"bias": bias}})
        got = graph.call(interpreter(graph.module()), graph.state, (x,), {"flags": {"bias": bias}})
        wanted = Counter.forward(model, x, flags={"bias": bias})
    assert got.keys() == wanted.keys()
    torch.testing.assert_close(got["y"], wanted["y"])
    torch.testing.assert_close(got["total"], x.sum(0))
    assert {p.name: p.role for p in graph.inputs} == {
        "linear.weight": "weight",
        "linear.bias": "weight",
        "total": "cache",
        "scale": "weight",
        "x": "input",
        "flags_bias": "input",
    }


def test_other_arguments_are_refused():
    model, x = Counter(), torch.randn(3, 4)
    graph = export_graph(model, (x,), {"flags": {"bias": x[0]}})
    with pytest.raises(TypeError, match="exported with 1 arguments"):
        graph.call(lambda args: args, graph.state, (), {"flags": {"bias": x[0]}})


def test_a_symbolic_batch():
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.LayerNorm(8))
    batch = torch.export.Dim("batch", min=2, max=64)
    with torch.no_grad():
        graph = export_graph(model, (torch.randn(3, 4),), dynamic_shapes=({0: batch},))
        program = interpreter(graph.module())
        for size in (2, 7):
            x = torch.randn(size, 4)
            torch.testing.assert_close(graph.call(program, graph.state, (x,), {}), model(x))
    assert [type(op) for op in graph.module().ops.first.body.block.ops][:3] == [
        flow.LinearOp,
        flow.PointwiseOp,
        flow.LayerNormOp,
    ]


def test_a_language_model():
    model, args = build("llama"), inputs("llama", 2, 9, torch.float32)
    with torch.no_grad():
        graph = export_graph(model, (), {**args, "use_cache": False})
        got = graph.call(interpreter(graph.module()), graph.state, (), {**args, "use_cache": False})
        torch.testing.assert_close(got.logits, model(**args).logits, rtol=1e-4, atol=1e-5)
    weights = [p.name for p in graph.inputs if p.role == "weight"]
    assert "model.layers.1.mlp.down_proj.weight" in weights
