"""Every op's text round-trips exactly; hashes see structure and nothing else."""

from __future__ import annotations

import pytest
from xdsl.dialects.builtin import ModuleOp

from flow_samples import SAMPLES, sample
from warpweave.ir import flow, fused
from warpweave.ir.locations import layer_of, location, modules, source_line
from warpweave.ir.text import parse, structural_hash, to_text


def _body_op(module: ModuleOp):
    return next(iter(module.ops)).body.block.first_op


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_round_trip_is_exact(name: str) -> None:
    module = sample(name)
    module.verify()
    again = parse(to_text(module))
    again.verify()
    assert again.is_structurally_equivalent(module)
    assert to_text(again) == to_text(module)
    assert structural_hash(again) == structural_hash(module)


def test_every_op_has_a_sample() -> None:
    seen = {type(op) for name in SAMPLES for op in sample(name).walk()}
    missing = [op.name for op in (*flow.Flow.operations, *fused.Fused.operations) if op not in seen]
    assert missing == []


def test_infinities_and_wide_integers_survive() -> None:
    again = _body_op(parse(to_text(sample("constant_inf"))))
    assert again.number == float("-inf")
    assert _body_op(parse(to_text(sample("constant_i64")))).number == 2**62 + 1


def test_locations_round_trip_where_printed() -> None:
    module = sample("linear")
    op = _body_op(module)
    op.location = location("model.layers.3.mlp.down_proj", "modeling.py", 41)
    again = _body_op(parse(to_text(module, locations=True)))
    assert modules(again) == ["model.layers.3.mlp.down_proj"]
    assert source_line(again) == "modeling.py:41"
    assert layer_of("model.layers.3.mlp.down_proj") == ("model.layers", 3)


def test_hash_ignores_names_and_sees_properties() -> None:
    a, b = sample("reduce"), sample("reduce")
    _body_op(b).results[0].name_hint = "renamed"
    assert structural_hash(a) == structural_hash(b)
    assert structural_hash(sample("constant")) != structural_hash(sample("constant_inf"))


def test_name_hints_with_numbers_do_not_collide() -> None:
    module = sample("concat")
    first = _body_op(module)
    second = flow.CastOp(first.result, "f32")
    third = flow.CastOp(second.result, "f32")
    first.parent_block().insert_ops_after([second, third], first)
    for op, hint in ((first, "split_1_1"), (second, "split"), (third, "split_1_1")):
        op.results[0].name_hint = hint
    assert parse(to_text(module)).is_structurally_equivalent(module)
