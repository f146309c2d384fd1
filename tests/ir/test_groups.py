"""Loops over groups of rows, and the op that makes the groups: what the verifier says of them."""

from __future__ import annotations

import pytest
from xdsl.utils.exceptions import VerifyException

from tile_samples import SAMPLES, index
from warpweave.ir import tile
from warpweave.ir.dims import Dim


def grouped() -> tuple[tile.KernelOp, tile.ParallelOp]:
    kernel = SAMPLES["grouped"]("f32").kernel
    loop = kernel.body.first_op
    assert isinstance(loop, tile.ParallelOp)
    return kernel, loop


def test_offsets_are_looked_up() -> None:
    """Each lies in [0, rows]; so do the gathered rows and the slots in theirs."""
    kernel, _ = grouped()
    rows, offsets, slots = kernel.body.args[3:6]
    s = Dim.of("S")
    assert kernel.lookups == [(offsets, Dim.of(6), s + 1), (rows, s, Dim.of("T")), (slots, s, s)]


def test_a_store_elsewhere_than_at_the_row_is_refused() -> None:
    kernel, loop = grouped()
    store = next(op for op in loop.walk() if isinstance(op, tile.StoreOp))
    zero = index(0)
    store.parent_block().insert_op_before(zero.owner, store)
    store.operands[store.operands.index(loop.body.args[1])] = zero
    with pytest.raises(VerifyException, match="a loop over groups stores at the row of its tile"):
        kernel.verify()


def test_groups_are_made_before_a_barrier() -> None:
    """A loop whose groups another one writes without a barrier between is refused."""
    kernel = SAMPLES["group_rows"]("f32").kernel
    offsets = kernel.body.args[3]
    loop = tile.ParallelOp(Dim.of("S"), 1, (1, 1), 5, groups=offsets)
    kernel.body.add_op(loop)
    with pytest.raises(VerifyException, match="a loop reads a buffer that another loop writes"):
        kernel.verify()


def test_group_rows_holds_i64() -> None:
    kernel = SAMPLES["group_rows"]("f32").kernel
    (op,) = [op for op in kernel.walk() if isinstance(op, tile.GroupRowsOp)]
    kernel.body.args[1]._type = tile.BufferType.of(SAMPLES["silu"]("f32").kernel.body.args[0].type.element)
    with pytest.raises(VerifyException, match="its buffers hold i64"):
        op.verify()
