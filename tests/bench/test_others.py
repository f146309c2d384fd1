"""Other runtimes: what cannot be measured is said, and what is exported computes what the model does."""

import pytest
import torch

from warpweave.bench import models, others
from warpweave.bench.measure import Spec, measure
from warpweave.bench.others import exported
from warpweave.bench.run import parse


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(others.NEEDS, "openvino", ("torch", "no_such_package"))
    with pytest.raises(others.SkippedError, match="not installed: no_such_package"):
        others.prepared("openvino", torch.nn.Identity(), models.Call({}), "fp32", 1)
    assert "openvino" not in others.available()


def test_a_failing_export_is_skipped_with_its_reason(monkeypatch):
    def fail(*_):
        raise RuntimeError("no such\noperator")

    monkeypatch.setitem(others.NEEDS, "openvino", ())
    monkeypatch.setitem(others.RUNTIMES, "openvino", fail)
    torch._dynamo.reset()
    spec = Spec("minilm", "fp32", 1, ["prefill-8"], ["eager", "openvino"], rounds=5, budget_s=0.0)
    (record,) = measure(spec)
    assert record["skipped"] == {"openvino": "RuntimeError: no such operator"}
    assert {name: found["calls"] for name, found in record["systems"].items()} == {"eager": 5}


def test_decode_is_not_exported(monkeypatch):
    monkeypatch.setitem(others.NEEDS, "onnxruntime", ())
    call = models.Call({"input_ids": torch.zeros(1, 1), "past_key_values": object()}, filled=3)
    with pytest.raises(others.SkippedError, match="prefill only"):
        others.prepared("onnxruntime", torch.nn.Identity(), call, "fp32", 1)


def test_a_flat_model_returns_its_cache_too():
    with torch.no_grad():
        model = models.llama(layers=1)
        call = models.prefill(model, 9)
        options = {name: value for name, value in call.kwargs.items() if name != "input_ids"}
        logits, keys, values = exported.Flat(model, ["input_ids"], options)(call.kwargs["input_ids"])
        expected = model(**call.kwargs)
    assert torch.equal(logits, expected.logits)
    assert torch.equal(keys, expected.past_key_values.layers[0].keys)
    assert values.shape == (1, 4, 9, 64)


def test_concatenations_with_nothing_are_dropped():
    class Net(torch.nn.Module):
        def forward(self, x):
            return torch.cat([torch.cat([x.new_empty(0), x]), x + 1])

    x = torch.arange(3.0)
    program = torch.export.export(Net(), (x,), strict=False)
    exported.drop_empty_parts(program.graph_module.graph)
    cats = [node for node in program.graph_module.graph.nodes if node.target is torch.ops.aten.cat.default]
    assert len(cats) == 1
    program.graph_module.recompile()
    assert program.module()(x).tolist() == [0, 1, 2, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("system", ["onnxruntime", "openvino"])
def test_an_exported_model_computes_what_the_model_does(system):
    if others.missing(system):
        pytest.skip(f"not installed: {others.missing(system)}")
    with torch.no_grad():
        model = models.minilm()
        call = models.prefill(model, 12, batch=2)
        run = others.prepared(system, model, call, "fp32", 1)
        assert torch.allclose(run(**call.kwargs), models.result(model(**call.kwargs)), atol=1e-4)


def test_the_default_grid_is_what_it_was_and_the_full_one_has_everything(monkeypatch):
    monkeypatch.setattr(others, "available", lambda: ["openvino"])
    usual, full, quick = parse([]), parse(["--full"]), parse(["--quick", "--batches", "1", "8"])
    assert (usual.phases, usual.batches) == (["prefill-128", "prefill-512", "decode-512"], [1])
    assert usual.systems == ["eager", "inductor", "warpweave"]
    assert (full.phases[-1], full.batches, full.systems[3:]) == ("decode-4096", [1, 4, 8], ["openvino"])
    assert (quick.models, quick.threads, quick.batches, quick.rounds) == (["llama"], [1], [1, 8], 8)
