"""Drawn inputs fit, and the mathematics of a module is the same at every level, in place or not, strided or not."""

from __future__ import annotations

import pytest
import torch
from xdsl.dialects.builtin import ArrayAttr, IntAttr, ModuleOp, UnitAttr

from flow_models import MODELS, Function
from flow_samples import SAMPLES, sample
from numerics import distance
from warpweave.ir import flow, reference
from warpweave.ir.ledger import Ledger
from warpweave.ir.signature import argument_attributes
from warpweave.ir.testing import NotRunnableError, draw, run
from warpweave.ir.text import parse
from warpweave.ir.types import TensorType
from warpweave.passes.pipeline import to_fused, to_tiles


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_levels_agree_in_float64(name: str, dtype: str) -> None:
    module, _ = MODELS[name](dtype)
    inputs = draw(module, seed=2)
    wanted = run(module, inputs)
    to_fused(module, Ledger())
    fused = run(module, inputs)
    to_tiles(module, Ledger())
    for level in (fused, run(module, inputs)):
        assert len(level) == len(wanted)
        assert max(distance(a, b) for a, b in zip(level, wanted, strict=True)) < 1e-12


def test_float32_rounds_as_declared() -> None:
    module, _ = MODELS["llama"]("bf16")
    inputs = draw(module)
    (single,), (double,) = run(module, inputs, torch.float32), run(module, inputs)
    assert single.dtype == torch.bfloat16
    assert 1e-4 < distance(single, double) < 3e-2
    assert torch.equal(single, reference.run(module, inputs.arguments, symbols=dict(inputs.symbols))[0])


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_op_runs_on_drawn_inputs_as_the_reference_does(name: str) -> None:
    module = sample(name)
    inputs = draw(module, seed=1)
    wanted = reference.run(module, inputs.arguments, float64=True, symbols=dict(inputs.symbols))
    for ours, want in zip(run(module, inputs), wanted, strict=False):
        torch.testing.assert_close(ours, want, rtol=0, atol=0, equal_nan=True)


def test_draws_are_repeatable_and_differ_by_seed() -> None:
    module, _ = MODELS["llama_cached"]()
    first, again, other = draw(module, 5), draw(module, 5), draw(module, 6)
    assert first.symbols == again.symbols
    assert all(torch.equal(a, b) for a, b in zip(first.arguments, again.arguments, strict=True))
    assert not torch.equal(first.arguments[3], other.arguments[3])
    assert draw(module, 5, {"S": 7}).arguments[0].shape[1] == 7


def test_integers_respect_what_they_index() -> None:
    f = Function("main")
    sizes = {"B": 2, "S": 3, "L": 9}
    ids, segments = (
        f.arg(n, shape, dtype="i64", sizes=sizes) for n, shape in (("ids", ["B", "S"]), ("segments", ["S"]))
    )
    cache, new = f.arg("cache", ["B", "L", 4], "cache", sizes=sizes), f.arg("new", ["B", "S", 4], sizes=sizes)
    start = f.arg("start", [], dtype="i64")
    table, pair = f.weight("table", 50, 4), f.weight("pair", 2, 4)
    places = f.pw("add", f(flow.BroadcastOp(start, ["S"])), f(flow.IotaOp(TensorType.of(["S"], "i64"))))
    results = [
        f(flow.EmbeddingOp(ids, table)),
        f(flow.EmbeddingOp(segments, pair)),
        f(flow.KVAppendOp(cache, new, places, 1)),
    ]
    module = ModuleOp([f.finish(*results)])
    seen = set()
    for seed in range(20):
        drawn = draw(module, seed)
        ids_, segments_, _, _, start_, *_ = drawn.arguments
        assert int(ids_.max()) < 50
        assert int(segments_.max()) < 2
        assert int(start_) + drawn.symbols["S"] <= drawn.symbols["L"]
        seen.add(int(start_))
        run(module, drawn)
    assert len(seen) > 1


def cached(mutations: list[tuple[int, int]]) -> ModuleOp:
    f = Function("main")
    cache, new = f.arg("cache", [2, 5, 4], "cache"), f.arg("new", [2, 1, 4])
    at = f.arg("at", [1], dtype="i64", value=torch.tensor([3]))
    main = f.finish(f(flow.KVAppendOp(cache, new, at, 1)), f.pw("neg", cache))
    main.attributes["weave.mutations"] = ArrayAttr([ArrayAttr([IntAttr(v), IntAttr(a)]) for v, a in mutations])
    return ModuleOp([main])


def test_mutated_arguments_are_results_too() -> None:
    module = cached([(0, 0)])
    inputs = draw(module)
    before = inputs.arguments[0].clone()
    appended, negated, cache = run(module, inputs)
    assert torch.equal(cache, appended)
    assert torch.equal(negated, -before.double())
    assert torch.equal(inputs.arguments[0], before)


def test_an_append_in_place_is_seen_by_later_readers() -> None:
    module = cached([(0, 0)])
    inputs = draw(module)
    _, right, _ = run(module, inputs)
    for op in module.walk():
        if isinstance(op, flow.KVAppendOp):
            op.in_place = UnitAttr()  # wrong: the old contents are read afterwards
    _, wrong, _ = run(module, inputs)
    assert not torch.equal(right, wrong)


def test_arguments_have_the_strides_they_declare() -> None:
    f = Function("main")
    x = f.arg("x", [3, 4])
    main = f.finish(f.linear(x, f.weight("w", 5, 4)))
    main.arg_attrs = ArrayAttr([argument_attributes(strides=[1, 3]), argument_attributes("weight")])
    module = ModuleOp([main])
    inputs = draw(module)
    assert inputs.arguments[0].stride() == (1, 3)
    (wanted,) = run(module, inputs)
    to_fused(module, Ledger())
    to_tiles(module, Ledger())
    torch.testing.assert_close(run(module, inputs)[0], wanted, rtol=1e-13, atol=1e-13)


def test_what_pytorch_refuses_is_named() -> None:
    module = parse(
        "builtin.module { func.func @main(%x: !flow.tensor<[2, 3], f32>) -> !flow.tensor<[2, 3], f32> {\n"
        '  %y = flow.aten "aten.cumsum.default" %x {arguments = "{\\"args\\": [{\\"tensor\\": 0}, 7], \\"kwargs\\": {}}", '
        'reason = "none"} : (!flow.tensor<[2, 3], f32>) -> !flow.tensor<[2, 3], f32>\n'
        "  func.return %y : !flow.tensor<[2, 3], f32>\n}}"
    )
    with pytest.raises(NotRunnableError, match=r"aten\.cumsum\.default.*out of range"):
        run(module, draw(module))


def test_sizes_that_cannot_be_are_an_error() -> None:
    f = Function("main")
    module = ModuleOp([f.finish(f.reshape(f.arg("x", ["S", 3], sizes={"S": 2}), "S", 5))])
    with pytest.raises(ValueError, match=r"no sizes of S .* fit: flow\.reshape"):
        draw(module)
