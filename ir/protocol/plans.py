"""Which tiles the checker runs, by how often the loops of each iterate (docs/aref.md, "Which trips suffice")."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.ir import Operation, SSAValue

from .. import aref, tile
from ..aref import queries
from ..tile import constant_index
from .alike import continues, synchronises

Key = tuple[SSAValue, ...]
Trips = Mapping[Key, int]
"""How often the loops of each kind run in one tile; 0 or 1 of branches."""

AHEAD = 1
"""Slots by which a role is further in one ring than in another: the scores of the next block."""


@dataclass(frozen=True)
class Choice:
    """Loops after one another that do the same, which count as one; or a branch. `values`: the trips to try."""

    keys: list[Key]
    values: Sequence[int]

    def trips(self, count: int) -> Trips:
        """So many iterations, all loops taking part."""
        each, more = divmod(count, len(self.keys))
        return {key: each + (number < more) for number, key in enumerate(self.keys)}


def plans(loop: tile.ParallelOp) -> Iterator[list[Trips]]:
    """The tiles of each run."""
    depth = max((made.depth.data for made in queries.rings_of(loop)), default=1)
    choices = list(_choices(loop, depth))
    for counts in itertools.product(*(choice.values for choice in choices)):
        iterations = max(1, sum(counts))
        tiles = max(3, min(2 * depth + 1, -(-(4 * depth + 2) // iterations)))
        yield [_together(choices, counts)] * tiles
    if not _walks_tiles(loop):
        return
    differing = [choice for choice in choices if len(choice.values) > 1 and _differs_by_tile(choice, loop)]
    if len(choices) == len(differing) == 1 and isinstance(queries.choices(loop)[choices[0].keys[0]][0], scf.ForOp):
        yield from ([choices[0].trips(n) for n in lengths] for lengths in _mixed(choices[0], loop, depth))
    elif differing:
        short = [[n for n in choice.values if n <= SHORT] or choice.values for choice in choices]
        yield tour([_together(choices, counts) for counts in itertools.product(*short)])


def _walks_tiles(loop: tile.ParallelOp) -> bool:
    """Whether a CTA does more than one tile."""
    schedule = loop.attributes.get("aref.schedule")
    return not isinstance(schedule, aref.ScheduleAttr) or bool(schedule.persistent.value.data)


def _together(choices: Sequence[Choice], counts: Sequence[int]) -> Trips:
    return {key: n for choice, count in zip(choices, counts, strict=True) for key, n in choice.trips(count).items()}


def _choices(loop: tile.ParallelOp, depth: int) -> Iterator[Choice]:
    """What the loop's rings depend on: constant trips as they are, or fewer; of unknown ones, all that differ."""
    kinds, most = queries.choices(loop), 2 * depth + 2
    if len(queries.roles_of(loop)) == 1:  # it fills its own rings, ahead of itself by a slot less than there are
        most = max(most, 3 * depth)
    unknown: list[Key] = []
    for key, ops in kinds.items():
        if not any(map(synchronises, ops)) or any(map(queries.in_role, key)):
            continue
        known = constant_trips(key) if isinstance(ops[0], scf.ForOp) else None
        if isinstance(ops[0], scf.IfOp):
            yield Choice([key], (0, 1))
        elif known is not None:
            yield Choice([key], (reduced(known, depth),))
        elif unknown and continues(kinds[unknown[-1]], ops):
            unknown.append(key)
        else:
            if unknown:
                yield Choice(unknown, range(most + 1))
            unknown = [key]
    if unknown:
        yield Choice(unknown, range(most + 1))


def constant_trips(bounds: Sequence[SSAValue]) -> int | None:
    low, high, step = map(constant_index, bounds)
    return None if low is None or high is None or step is None else max(0, -(-(high - low) // step))


def reduced(trips: int, depth: int) -> int:
    """Fewer trips that leave all stages and parities as `trips` leaves them."""
    most = 6 * depth + 2
    return trips if trips <= most else most - (most - trips) % (2 * depth)


# ---- tiles of different trips --------------------------------------------------------------------------------------


def _differs_by_tile(choice: Choice, loop: tile.ParallelOp) -> bool:
    """Whether tiles of one launch may differ in it: it is computed from the tile's place."""
    wanted = [value for key in choice.keys for value in key]
    while wanted:
        value = wanted.pop()
        if value in loop.body.args:
            return True
        if isinstance(value.owner, Operation):
            wanted += value.owner.operands
    return False


def _mixed(choice: Choice, loop: tile.ParallelOp, depth: int) -> Iterator[list[int]]:
    """Trips of tiles in which every way comes up to end tiles within a window of slots: `slots_to_tiles`. Where a tile has no slot
    outside its loops, once without tiles of no trips, and once with these as if they took a slot."""
    sizes = slots_to_tiles(depth + 2 * AHEAD + 1)
    yield [size - 1 for size in sizes]
    if not all(_is_filled_outside(made.ring) for made in queries.rings_of(loop) if _is_filled_inside(made.ring)):
        yield sizes


def slots_to_tiles(window: int) -> list[int]:
    """Numbers of slots of tiles, so that in each `window` slots one after another tiles end in every way that there is.

    A one says that a tile ends with the slot: a word of zeros and ones in which all words of that length stand once (de
    Bruijn, 1946), made by taking the larger number where it gives a new word (Martin, 1934).
    """
    bits = [0] * window
    seen = {tuple(bits)}
    while True:
        before = tuple(bits[len(bits) - window + 1 :])
        new = next((bit for bit in (1, 0) if (*before, bit) not in seen), None)
        if new is None:
            break
        seen.add((*before, new))
        bits.append(new)
    ends = [-1, *(i for i, bit in enumerate([*bits, 1]) if bit)]
    return [end - start for start, end in itertools.pairwise(ends)]


def _is_filled_inside(ring: SSAValue) -> bool:
    return any(isinstance(op.parent_op(), scf.ForOp) for op in _fills(ring))


def _is_filled_outside(ring: SSAValue) -> bool:
    return any(isinstance(op.parent_op(), aref.RoleOp) for op in _fills(ring))


def _fills(ring: SSAValue) -> list[Operation]:
    """What enters a slot; in the lowered form the reader's entering is as good."""
    return [use.operation for use in ring.uses if isinstance(use.operation, aref.PutEnterOp | aref.SlotOp)]


SHORT = 2
"""Trips of the tiles that are mixed where several things differ: those of which several fit into a window."""


def tour(vectors: Sequence[Trips]) -> list[Trips]:
    """Each of them before each of them, itself too."""
    tiles: list[Trips] = []
    for i, vector in enumerate(vectors):
        tiles += [vector, vector]
        for other in vectors[i + 1 :]:
            tiles += [other, vector]
    return tiles
