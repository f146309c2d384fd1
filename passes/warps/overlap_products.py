"""Overlap products: in attention, the scores of the next block of keys are issued before this one's values are added.

Two loops after another, over the blocks that all rows see and over those that are masked, become

    scores and weights of the first block, masked
    for blocks that are seen:   scores(j); output += weights(j - 1) values(j - 1); weights(j); output *= correction(j)
    for blocks that are masked: the same with the mask
    output += weights(last) values(last)

so that the tensor cores add while the warpgroup computes weights (FlashAttention-3, section 3.2). The masked body serves for the
first block whichever it is: a mask that hides nothing changes nothing, and no block at all is one that is hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, scf
from xdsl.ir import Block, Operation, Region, SSAValue

from ...ir import tile
from .before import Before


@dataclass(frozen=True)
class Blocks:
    """A loop over blocks of keys. It ends with `output` = dot(weights, values, rescaled), and carries that as `carried`."""

    loop: scf.ForOp
    output: tile.DotOp
    values: tile.LoadOp
    rescaled: tile.PointwiseOp
    carried: int

    @property
    def body(self) -> Block:
        return self.loop.body.block

    @property
    def corrected(self) -> SSAValue:
        """The argument that holds the output of the blocks before."""
        return self.body.args[1 + self.carried]

    @property
    def correction(self) -> SSAValue:
        return self.rescaled.inputs[1]


def run(loop: tile.ParallelOp) -> str:
    """What was done, in words; an empty text where there is no such pair of loops."""
    loops = [op for op in loop.body.ops if isinstance(op, scf.ForOp)]
    found = [blocks_of(op) for op in loops]
    if len(found) != 2 or found[0] is None or found[1] is None or not _follow(found[0].loop, found[1].loop):
        return ""
    _overlap(found[0], found[1])
    return "scores of a block overlap the sum of the one before"


def blocks_of(loop: scf.ForOp) -> Blocks | None:
    """The loop's parts, where it is one of attention."""
    block = loop.body.block
    dots = [op for op in block.ops if isinstance(op, tile.DotOp)]
    if len(dots) != 2 or block.last_op is None:
        return None
    output = dots[1]
    values, rescaled = output.b.owner, output.accumulator.owner
    if not isinstance(values, tile.LoadOp) or not isinstance(rescaled, tile.PointwiseOp) or rescaled.kind.data != "mul":
        return None
    if [use.operation for use in output.result.uses] != [block.last_op] or rescaled.inputs[0] not in block.args:
        return None
    if values.row is not block.args[0] or [u.operation for u in rescaled.result.uses] != [output]:
        return None
    carried = block.args.index(rescaled.inputs[0]) - 1
    returned = block.last_op.operands[carried] is output.result
    alone = len(list(block.args[1 + carried].uses)) == 1 and output.a.owner is not rescaled
    return Blocks(loop, output, values, rescaled, carried) if returned and alone else None


def _follow(first: scf.ForOp, second: scf.ForOp) -> bool:
    return first.ub is second.lb and first.step is second.step and list(second.iter_args) == list(first.results)


def _overlap(seen: Blocks, masked: Blocks) -> None:
    block = seen.loop.parent
    assert block is not None
    start, step, end = seen.loop.lb, seen.loop.step, masked.loop.ub
    for op in _between(seen.loop, masked.loop):
        op.detach()
        block.insert_op_before(op, seen.loop)
    first = Before(seen.loop)
    known: dict[SSAValue, SSAValue] = dict(zip(masked.body.args, [start, *seen.loop.iter_args], strict=True))
    for op in masked.body.ops:
        if not isinstance(op, scf.YieldOp) and op not in (masked.output, masked.values, masked.rescaled):
            first.clone(op, known)
    last = masked.body.last_op
    assert last is not None
    initial = [known.get(v, v) for v in last.operands]
    initial[masked.carried] = first(
        tile.PointwiseOp("mul", [seen.loop.iter_args[seen.carried], known[masked.correction]])
    )
    second = first(arith.AddiOp(start, step))
    middle = first(arith.MaxSIOp(second, seen.loop.ub))
    into = _rotated(seen, second, seen.loop.ub, [*initial, known[masked.output.a]])
    block.insert_op_before(into, seen.loop)
    after = _rotated(masked, middle, end, list(into.results))
    block.insert_op_before(after, seen.loop)
    _add_last(masked, after, start, step, end)
    for old in (masked.loop, seen.loop):
        old.detach()
        old.erase()


def _add_last(masked: Blocks, after: scf.ForOp, start: SSAValue, step: SSAValue, end: SSAValue) -> None:
    """The last block's values, after the loops; the results take the place of the old ones."""
    put = Before(masked.loop)
    one = put(arith.ConstantOp.from_int_and_width(1, end.type))  # pyright: ignore[reportArgumentType]
    blocks = put(arith.FloorDivSIOp(put(arith.SubiOp(put(arith.SubiOp(end, one)), start)), step))
    zero = put(arith.SubiOp(one, one))
    row = put(arith.AddiOp(start, put(arith.MuliOp(put(arith.MaxSIOp(blocks, zero)), step))))
    results: list[SSAValue] = list(after.results)
    weights = results.pop()
    values = put.clone(masked.values, {masked.body.args[0]: row})
    total = put(tile.DotOp(weights, values.results[0], results[masked.carried], masked.output.transposed is not None))
    results[masked.carried] = total
    for old, new in zip(masked.loop.results, results, strict=True):
        old.replace_all_uses_with(new)


def _rotated(blocks: Blocks, start: SSAValue, end: SSAValue, initial: Sequence[SSAValue]) -> scf.ForOp:
    """The loop that carries weights beside the old values, and adds those of the block before."""
    old, step = blocks.body, blocks.loop.step
    new = Block(arg_types=[old.args[0].type, *(v.type for v in initial)])
    known: dict[SSAValue, SSAValue] = dict(zip(old.args, new.args[:-1], strict=True))
    scores = next(op for op in old.ops if isinstance(op, tile.DotOp))
    output: SSAValue | None = None
    for op in old.ops:
        if op in (blocks.output, blocks.values, blocks.rescaled) or isinstance(op, scf.YieldOp):
            continue
        new.add_op(op.clone(known))
        if op is scores:
            before = arith.SubiOp(new.args[0], step)
            values = blocks.values.clone(known | {old.args[0]: before.result})
            sum = tile.DotOp(new.args[-1], values.result, known[blocks.corrected], blocks.output.transposed is not None)
            sum.location = blocks.output.location
            new.add_ops([before, values, sum])
            output = sum.result
    last = old.last_op
    assert last is not None
    assert output is not None
    rescaled = tile.PointwiseOp("mul", [output, known[blocks.correction]])
    new.add_op(rescaled)
    yielded = [known.get(v, v) for v in last.operands]
    yielded[blocks.carried] = rescaled.result
    new.add_op(scf.YieldOp(*yielded, known[blocks.output.a]))
    made = scf.ForOp(start, end, step, list(initial), Region(new))
    made.location = blocks.loop.location
    return made


def _between(first: Operation, second: Operation) -> list[Operation]:
    ops: list[Operation] = []
    op = first.next_op
    while op is not None and op is not second:
        ops.append(op)
        op = op.next_op
    return ops
