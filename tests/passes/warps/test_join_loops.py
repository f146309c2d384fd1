"""Loops side by side in the columns of one launch: what they share, and what keeps them apart."""

import pytest

import emulated_pipelines as pipelines
from warpweave.ir import aref, tile
from warpweave.ir.aref.queries import rings_of, roles_of


def specialised(name):
    """The loops of the kernel with roles, and why they are what they are."""
    module, ledger = pipelines.specialised(name)
    (kernel,) = pipelines.split_kernels(module)
    (row,) = (row for row in ledger.rows if row.rule == "partition-warps" and row.outcome == "taken")
    return [op for op in kernel.body.ops if isinstance(op, tile.ParallelOp)], row.reason


@pytest.mark.parametrize(
    ("program", "columns"),
    [("gemm_qkv_of_equal_tiles", 256 + 128 + 128), ("gemm_qkv_rope_append", 128 + 128 + 128)],
    ids=["whole tiles", "parts of tiles"],
)
def test_loops_of_equal_tiles_share_rings_and_roles(program, columns):
    (loop,), reason = specialised(program)
    assert reason.endswith("one launch for its 3 loops")
    assert (loop.columns.data.value, loop.tile_shape) == (columns, (128, 128))
    assert [role.sym_name.data for role in roles_of(loop)] == ["load", "store", "math"]
    assert [made.depth.data for made in rings_of(loop)] == [4, 1]
    copied = {op.buffer for op in roles_of(loop)[0].walk() if isinstance(op, aref.CopyOp)}
    assert len(copied) == 4  # the rows, and three weights


def test_loops_behind_a_barrier_stay_apart():
    loops, reason = specialised("decode_groups4")
    assert len(loops) == 2
    assert "launch" not in reason
