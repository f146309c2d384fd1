"""Regions that no one kernel computes become several, with the same numbers; what has no tile form at all is named."""

import pytest
import torch
from xdsl.dialects.builtin import ModuleOp

from flow_models import Function
from tile_programs import check, form, gemm, map_
from warpweave.ir import flow, fused
from warpweave.ir.ledger import Ledger
from warpweave.ir.locations import location
from warpweave.ir.types import TensorType, tensor_type
from warpweave.passes import form_tiles
from warpweave.passes.form_tiles.axes import UnsupportedRegionError

T = TensorType.of


def pw(add, kind, *inputs):
    return add(flow.PointwiseOp(kind, list(inputs)))


def test_computed_ids():
    f = Function("main")
    ids = f.arg("ids", [2, 5], dtype="i64", value=torch.randint(0, 7, (2, 5), generator=f.generator))
    table = f.weight("table", 9, 8)

    def body(add, ids, table):
        shifted = pw(add, "add", ids, add(flow.ConstantOp(2, T([], "i64"))))
        return [pw(add, "neg", add(flow.EmbeddingOp(shifted, table)))]

    (out,) = map_(f, [ids, table], [T([2, 5, 8], "bf16")], body)
    assert len(check(f, out, atol=2e-2).launched) == 5


def test_a_reduction_of_a_reduction():
    f = Function("main")
    x = f.arg("x", [3, 6, 8])

    def body(add, x):
        scale = add(flow.ReduceOp("max", x, [2]))
        y = pw(add, "sub", x, scale)
        return [pw(add, "mul", y, add(flow.ReduceOp("sum", y, [1, 2])))]

    check(f, *map_(f, [x], [tensor_type(x)], body))


def test_statistics_used_where_they_are_made():
    f = Function("main")
    x = f.arg("x", [4, 100])

    def body(add, y, x):
        y = pw(add, "add", y, x)
        stats = add(flow.RowStatsOp(y, "sumsq", 64))
        return [pw(add, "mul", y, add(flow.RowScaleOp(stats, "sumsq", 100, 64, 1e-6)))]

    (out,) = gemm(f, f.arg("a", [4, 24]), [f.weight("w", 100, 24)], [x], [tensor_type(x)], body)
    check(f, out)


def test_the_ledger_says_why():
    f = Function("main")
    x = f.arg("x", [4, 100])

    def body(add, x):
        stats = add(flow.RowStatsOp(x, "sumsq", 64))
        return [add(flow.RowScaleOp(stats, "sumsq", 100, 64, 1e-6))]

    module = ModuleOp([f.finish(*map_(f, [x], [T([4, 1], "f32")], body))])
    ledger = Ledger()
    form_tiles.run(module, ledger)
    assert [row.reason for row in ledger.rows if row.outcome == "refused"] == [
        "`flow.row_stats` stands where the kernel reads memory"
    ]


def test_symbolic_head_dims_have_no_tile_form():
    f = Function("main")
    q, k = (f.arg(n, ["B", "S", 2, "D"], sizes={"B": 1, "S": 2, "D": 8}) for n in "qk")
    op = fused.AttentionKernelOp.of(flow.AttentionOp(q, k, k, 0.25))
    op.location = location("model.layers.0.attn")
    f.block.add_op(op)
    with pytest.raises(UnsupportedRegionError, match=r"layers\.0\.attn: fused\.attention: .*no constants"):
        form(ModuleOp([f.finish(op.result)]))
