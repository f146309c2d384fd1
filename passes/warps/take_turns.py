"""Take turns: two warpgroups that multiply alternate, one issues products while the other computes weights (ping-pong).

Source: FlashAttention-3, section 3.1. Warpgroup 0 waits at named barrier 1, warpgroup 1 at barrier 2, before the products of
a block of keys; after issuing them each comes to the other's barrier. At the beginning of a tile, as soon as the
queries are there, warpgroup 1 lets warpgroup 0 in; before the last product warpgroup 0 takes what warpgroup 1's last turn
left, so that barriers end a tile as they began it. Why that is in order: the queries of a tile are there only after
both warpgroups have released those of the tile before, at its end; the protocol checker proves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.ir import Block, Operation

from ...ir import aref, tile
from ...ir.aref import queries

FIRST, SECOND = 1, 2
"""The barriers at which warpgroups 0 and 1 wait for their turn."""

FLOPS, TRANSCENDENTALS, OTHERS = 4096, 16, 128
"""Of an SM in a cycle: flops of 16-bit products (989 TFLOP/s by 132 SMs at 1.83 GHz: H100 data sheet); exponentials and the
like, and other operations on f32 (CUDA C++ Programming Guide, arithmetic throughput of compute capability 9.0)."""
_TRANSCENDENTAL = frozenset({"exp", "softmax_exp2", "tanh"})


def run(loop: tile.ParallelOp) -> str:
    """What was chosen, in words; an empty text for a loop that is no attention of two warpgroups."""
    role = next((role for role in queries.roles_of(loop) if role.kind.data == "consumer"), None)
    turns = None if role is None else turns_of(role)
    if role is None or turns is None:
        return ""
    cost = min((cost_of(issue, role) for issue in turns.inside), key=lambda cost: cost.together - cost.in_turns)
    if cost.in_turns >= cost.together:
        return (
            f"no turns at the tensor cores: products take {2 * cost.products} of the {cost.together} cycles of a block"
        )
    _take(turns, role.threads)
    return (
        f"warpgroups take turns at the tensor cores: a block of both in {cost.in_turns} cycles (products "
        f"{2 * cost.products}, weights {2 * cost.weights}), {cost.together} without turns"
    )


# ---- where turns begin and end -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turns:
    """Products that are issued one after another, without a wait between: of the first block, of each loop, of the end."""

    first: Sequence[aref.MmaOp]
    inside: Sequence[Sequence[aref.MmaOp]]
    last: Sequence[aref.MmaOp]


def turns_of(role: aref.RoleOp) -> Turns | None:
    """The turns of two warpgroups whose loops over blocks issue products once, after a first block and before the last
    product; None for any other role."""
    loops = [op for op in role.body.ops if isinstance(op, scf.ForOp)]
    outside = list(_issues(role.body))
    inside = [list(_issues(op.body.block)) for op in loops]
    if role.warpgroups != 2 or len(outside) != 2 or not loops or any(len(issues) != 1 for issues in inside):
        return None
    first, last = outside
    if not first[0].is_before_in_block(loops[0]) or not loops[-1].is_before_in_block(last[0]):
        return None
    return Turns(first, [issues[0] for issues in inside], last)


def _issues(block: Block) -> Iterator[list[aref.MmaOp]]:
    issue: list[aref.MmaOp] = []
    for op in block.ops:
        if isinstance(op, aref.MmaOp):
            issue.append(op)
        elif isinstance(op, aref.WaitOp | scf.ForOp) and issue:
            yield issue
            issue = []
    if issue:
        yield issue


def _take(turns: Turns, threads: int) -> None:
    _before(turns.first[0], [aref.BarrierArriveOp(FIRST, threads, 1)])
    for issue in (turns.first, *turns.inside):
        _before(issue[0], [aref.BarrierSyncOp(FIRST, threads, 0), aref.BarrierSyncOp(SECOND, threads, 1)])
        _after(issue[-1], [aref.BarrierArriveOp(SECOND, threads, 0), aref.BarrierArriveOp(FIRST, threads, 1)])
    _before(turns.last[0], [aref.BarrierSyncOp(FIRST, threads, 0)])


def _before(op: Operation, new: Sequence[Operation]) -> None:
    for each in new:
        each.location = op.location
    block = op.parent
    assert block is not None
    block.insert_ops_before(new, op)


def _after(op: Operation, new: Sequence[Operation]) -> None:
    for each in new:
        each.location = op.location
    block = op.parent
    assert block is not None
    block.insert_ops_after(new, op)


# ---- what turns are worth ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """Cycles of one block of keys of one warpgroup: of the product that weights wait for, of those that run beside them, of
    the weights."""

    scores: int
    beside: int
    weights: int

    @property
    def products(self) -> int:
        return self.scores + self.beside

    @property
    def together(self) -> int:
        """Of both warpgroups, each at the same point: neither's weights hide the other's scores."""
        return 2 * self.scores + max(2 * self.beside, 2 * self.weights)

    @property
    def in_turns(self) -> int:
        """Of both, one's products beside the other's weights."""
        return max(2 * self.products, 2 * self.weights, self.products + self.weights)


def cost_of(issue: Sequence[aref.MmaOp], role: aref.RoleOp) -> Cost:
    """Of a block whose products are issued together."""
    scores, *beside = (_flops(op) // role.warpgroups // FLOPS for op in issue)
    block = issue[0].parent
    assert block is not None
    weights = sum(_cycles(op) for op in block.ops) / role.warpgroups
    return Cost(scores, sum(beside), round(weights))


def _flops(op: aref.MmaOp) -> int:
    rows, columns = aref.shape_in(op.accumulator)
    return 2 * rows * columns * aref.shape_in(op.a)[1]


def _cycles(op: Operation) -> float:
    match op:
        case tile.PointwiseOp():
            rows, columns = tile.tile_shape(op.result)
            return rows * columns / (TRANSCENDENTALS if op.kind.data in _TRANSCENDENTAL else OTHERS)
        case tile.ReduceOp():
            rows, columns = tile.tile_shape(op.input)
            return rows * columns / OTHERS
        case _:
            return 0
