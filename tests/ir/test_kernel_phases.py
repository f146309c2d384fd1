"""`tile.barrier`: what it orders, and what must not stand without it."""

import pytest
from xdsl.utils.exceptions import VerifyException

from tile_samples import SAMPLES
from warpweave.ir import tile


def centred() -> tile.KernelOp:
    return SAMPLES["centred"]("f32").kernel


def barrier(kernel: tile.KernelOp) -> tile.BarrierOp:
    return next(op for op in kernel.body.ops if isinstance(op, tile.BarrierOp))


def test_phases_are_the_loops_between_barriers():
    assert [len(phase) for phase in centred().phases] == [1, 1]
    assert [len(phase) for phase in SAMPLES["qkv"]("f32").kernel.phases] == [3]


def test_a_loop_may_not_read_what_another_loop_of_its_phase_writes():
    kernel = centred()
    barrier(kernel).detach()
    with pytest.raises(
        VerifyException, match="a loop reads a buffer that another loop writes, with no barrier between"
    ):
        kernel.verify()


@pytest.mark.parametrize("place", ["first", "last", "doubled"])
def test_a_barrier_stands_between_two_loops(place):
    kernel = centred()
    block = kernel.body
    anchor = {"first": block.first_op, "last": block.last_op, "doubled": barrier(kernel)}[place]
    insert = block.insert_op_before if place == "first" else block.insert_op_after
    insert(tile.BarrierOp(), anchor)
    with pytest.raises(VerifyException, match="a barrier stands between two loops"):
        kernel.verify()
