"""New contents of arguments, computed where they belong.

A launch that makes nothing but such contents, number by number, comes last and writes the arguments themselves: a decoding
step with a StaticCache counts its tokens so, without a copy for each layer's counter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..ir import tile
from .values import Ref, Step

Stored = Sequence[tuple[Ref, Ref]]
"""(argument, its new contents) pairs."""

_BY_ELEMENT = (tile.LoadOp, tile.StoreOp, tile.PointwiseOp, tile.ConvertOp, tile.FillOp)


def store_in_place(
    steps: Sequence[Step], stored: Stored, kernels: Mapping[str, tile.KernelOp]
) -> tuple[list[Step], list[tuple[Ref, Ref]]]:
    """The steps, with such launches at their end, and the pairs that are still to be stored."""
    steps, left = list(steps), list(stored)
    for step in list(steps):
        targets = _targets(step, left)
        if targets is None or not _comes_last(step, steps) or not _reads_before_it_writes(step, targets, kernels):
            continue
        if any(value.buffer in {t.buffer for t in targets} for _, value in left):
            continue  # another argument gets what one of these held
        left = [(target, value) for target, value in left if target not in targets]
        steps.remove(step)
        steps.append(Step(step.op, step.reads, targets))
    return steps, left


def _targets(step: Step, stored: Stored) -> list[Ref] | None:
    """The argument that each result of a launch is stored in, whole; None where one is stored in none, or in several."""
    if not isinstance(step.op, tile.LaunchOp):
        return None
    found = [[target for target, value in stored if value.buffer is made.buffer] for made in step.writes]
    if not found or any(len(targets) != 1 for targets in found):
        return None
    targets = [target for (target,) in found]
    fits = all(
        made.buffer.source == "arena" and (target.layout, target.dtype) == (made.layout, made.dtype)
        for target, made in zip(targets, step.writes, strict=True)
    )
    return targets if fits else None


def _comes_last(step: Step, steps: Sequence[Step]) -> bool:
    """Whether no later step reads what this one makes, or overwrites what it reads."""
    later = steps[steps.index(step) + 1 :]
    made, read = {ref.buffer for ref in step.writes}, {ref.buffer for ref in step.reads}
    return not any(ref.buffer in made for s in later for ref in s.reads) and not any(
        ref.buffer in read for s in later for ref in s.writes
    )


def _reads_before_it_writes(step: Step, targets: Sequence[Ref], kernels: Mapping[str, tile.KernelOp]) -> bool:
    """Whether each number of a target that the launch reads is read only for the one that takes its place."""
    assert isinstance(step.op, tile.LaunchOp)
    kernel = kernels[step.op.kernel.root_reference.data]
    buffers = dict(zip(kernel.body.args, [*step.reads, *targets], strict=False))
    shared = {ref.buffer for ref in step.reads} & {target.buffer for target in targets}
    if not shared:
        return True
    loops = [loop for phase in kernel.phases for loop in phase]
    if len(loops) != 1 or not all(tile.is_index(op) or isinstance(op, _BY_ELEMENT) for op in loops[0].body.ops):
        return False
    stores = [op for op in loops[0].body.ops if isinstance(op, tile.StoreOp)]
    return all(
        buffers[store.buffer].buffer is buffers[load.buffer].buffer and _place(store) == _place(load)
        for store in stores
        for load in _loads(store)
        if buffers[load.buffer].buffer in shared
    )


def _loads(store: tile.StoreOp) -> list[tile.LoadOp]:
    """The loads that a stored tile is made of."""
    pending, found = [store.value.owner], list[tile.LoadOp]()
    while pending:
        op = pending.pop()
        if isinstance(op, tile.LoadOp):
            found.append(op)
        elif isinstance(op, tile.PointwiseOp | tile.ConvertOp):
            pending += [v.owner for v in op.operands]
    return found


def _place(op: tile.LoadOp | tile.StoreOp) -> tuple[object, ...]:
    return op.access, op.batch, op.row, op.column, op.index
