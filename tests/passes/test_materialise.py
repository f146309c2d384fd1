"""Copies where strides will not do, and only there."""

import torch
from xdsl.dialects.builtin import ModuleOp

from flow_models import Function
from tile_programs import gemm, map_
from warpweave.ir import flow, fused
from warpweave.ir.layout import resolve
from warpweave.ir.ledger import Ledger
from warpweave.ir.reference import run
from warpweave.ir.types import TensorType, tensor_type
from warpweave.passes import materialise

T = TensorType.of


def copies(f, *results):
    """The numbers stay; gives the reasons of the copies made."""
    module = ModuleOp([f.finish(*results)])
    wanted = run(module, f.args)
    ledger = Ledger()
    materialise.run(module, ledger)
    module.verify()
    for ours, theirs in zip(run(module, f.args), wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
    made = [op for op in module.walk() if isinstance(op, fused.CopyOp)]
    for op in module.walk():
        for value in op.results:
            if isinstance(value.type, TensorType) and isinstance(op, flow.VIEWS):
                resolve(value)
    assert len(made) == len(ledger.rows)
    return [row.reason.split(":")[0] for row in ledger.rows]


def identity(add, x):
    return [x]


def test_reshapes_copy_only_where_no_strides_exist():
    f = Function("main")
    x = f.arg("x", [2, 3, 4, 5])
    moved = f.transpose(x, 0, 2, 1, 3)
    split, joined = f.reshape(moved, 2, 2, 2, 3, 5), f.reshape(moved, 2, 4, 15)
    assert copies(f, split, joined) == ["a reshape to [2, 4, 15] cannot be strided"]


def test_gemm_rows():
    f = Function("main")
    w, x = f.weight("w", 3, 8), f.arg("x", [4, 5, 8])
    plain = gemm(f, f.transpose(x, 1, 0, 2), [w], [], [T([5, 4, 3], "f32")], identity)
    turned = gemm(f, f.transpose(f.arg("y", [8, 5]), 1, 0), [w], [], [T([5, 3], "f32")], identity)
    weight = gemm(f, x, [f.transpose(f.arg("z", [8, 6]), 1, 0)], [], [T([4, 5, 6], "f32")], identity)
    assert copies(f, *plain, *turned, *weight) == ["the GEMM's rows are not contiguous", "a weight that is a view"]


def test_indices_are_contiguous():
    f = Function("main")
    ids = f.arg("ids", [6], dtype="i64", value=torch.arange(6))
    some = f(flow.SliceOp(ids, [1], [4]))
    table = f.weight("table", 9, 8)
    out = map_(f, [some, table], [T([4, 8], "f32")], lambda add, i, t: [add(flow.EmbeddingOp(i, t))])
    plain = map_(f, [f.reshape(ids, 6), table], [T([6, 8], "f32")], lambda add, i, t: [add(flow.EmbeddingOp(i, t))])
    assert copies(f, *out, *plain) == ["indices that are looked up"]
    assert tensor_type(some).shape[0].value == 4
