"""Lower arefs: rings become slots, two arrays of mbarriers and counters.

Slot n of a ring is stage n mod D; its barriers are in phase n div D. The counters of a role run on from tile to tile, so that
stages and parities do whatever the trips are. A reader waits for `full` in the parity of its phase, the producer for `empty` in
the other one, which a fresh barrier has ended. A full phase takes one arrival of the thread that issues TMA copies, with their
bytes, one of each warp that stores, and one of each thread that issues cp.async; an empty phase one of each reading warp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr, ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import Rewriter

from ...ir import aref, tile
from ...ir.aref import queries
from ...ir.ledger import Ledger
from ...ir.protocol import check
from ...ir.protocol.machine import ProtocolError
from ..rewriting import where


def lower(module: ModuleOp, ledger: Ledger) -> None:
    """Rings of every kernel of warp roles become mbarriers and counters, in place, and the protocol is checked once more."""
    for kernel in [op for op in module.ops if isinstance(op, tile.KernelOp)]:
        for loop in (op for op in kernel.body.ops if isinstance(op, tile.ParallelOp) and queries.roles_of(op)):
            run(loop)
            verdict = check(loop)
            if verdict.finding is not None:
                raise ProtocolError(verdict.finding)
            said = f"{verdict.runs} runs, {verdict.events} events: no race, no deadlock"
            ledger.take("check-protocol", where(kernel) or kernel.sym_name.data, said)


def run(loop: tile.ParallelOp) -> None:
    """The rings of one loop, in place."""
    lowered: dict[SSAValue, _Ring] = {made.ring: _ring_of(loop, made) for made in queries.rings_of(loop)}
    for role in queries.roles_of(loop):
        steps = [op for op in role.walk() if type(op) in _STEPS]
        places = [_At(op, role, lowered[op.operands[0]], _most_released(op, role)) for op in steps]
        for op, at in zip(steps, places, strict=True):
            _STEPS[type(op)](at, op)


@dataclass
class _Ring:
    """A ring's barriers, and the counters of each role: puts, or entered and released."""

    loop: tile.ParallelOp
    made: aref.CreateOp
    full: SSAValue
    empty: SSAValue
    counters: dict[tuple[aref.RoleOp, str], SSAValue] = field(default_factory=dict[tuple[aref.RoleOp, str], SSAValue])

    def counter(self, role: aref.RoleOp, what: str) -> SSAValue:
        if (role, what) not in self.counters:
            made = aref.CounterOp()
            made.location = self.made.location
            made.counter.name_hint = f"{what}_{queries.ring_name(self.made.ring, self.loop).removeprefix('%')}"
            self.loop.body.insert_op_after(made, self.made)
            self.counters[role, what] = made.counter
        return self.counters[role, what]


def _ring_of(loop: tile.ParallelOp, made: aref.CreateOp) -> _Ring:
    """The ring's barriers, made behind it."""
    name, depth = queries.ring_name(made.ring, loop), made.depth.data
    (producer,) = queries.producers(made.ring, loop)
    leave = next(op for op in producer.walk() if isinstance(op, aref.PutExitOp) and op.ring is made.ring)
    fills = sum(_arrivals(kind.data, producer) for kind in leave.completion)
    reads = sum(role.warps.data for role in queries.readers(made.ring, loop))
    full = aref.BarriersOp(f"full of {name}", depth, fills)
    empty = aref.BarriersOp(f"empty of {name}", depth, reads)
    loop.body.insert_ops_after([full, empty], made)
    full.location = empty.location = made.location
    return _Ring(loop, made, full.barriers, empty.barriers)


def _arrivals(kind: str, role: aref.RoleOp) -> int:
    return {"tma": 1, "none": role.warps.data, "cp_async": role.threads}[kind]


@dataclass
class _At:
    """Puts ops where an op of a ring stands. `released`: by an exit, at most (`_most_released`)."""

    op: Operation
    role: aref.RoleOp
    ring: _Ring
    released: int = 0

    def __call__(self, op: Operation) -> Operation:
        block = self.op.parent
        assert block is not None
        op.location = self.op.location
        block.insert_op_before(op, self.op)
        return op

    def value(self, op: Operation) -> SSAValue:
        return self(op).results[0]

    def constant(self, value: int) -> SSAValue:
        return self.value(arith.ConstantOp(IntegerAttr.from_index_int_value(value)))

    def named(self, name: str, op: Operation) -> SSAValue:
        """Its result, with a name for the printers."""
        value = self.value(op)
        value.name_hint = name
        return value

    def place(self, counter: SSAValue) -> tuple[SSAValue, SSAValue]:
        """Stage and phase parity of a counter's slot."""
        count, depth = self.value(aref.CountOp(counter)), self.ring.made.depth.data
        if depth == 1:
            return self.constant(0), self.named("parity", arith.RemUIOp(count, self.constant(2)))
        slots = self.constant(depth)
        phase = self.named("phase", arith.DivUIOp(count, slots))
        stage = self.named("stage", arith.RemUIOp(count, slots))
        return stage, self.named("parity", arith.RemUIOp(phase, self.constant(2)))

    def enter(self, op: aref.EnterOp, stage: SSAValue) -> None:
        slot = self(aref.SlotOp(op.ring, stage))
        for old, new in zip(op.tiles, slot.results, strict=True):
            new.name_hint = old.name_hint
            old.replace_all_uses_with(new)

    def erase(self) -> None:
        self.op.detach()
        self.op.erase()


def _put_enter(at: _At, op: aref.PutEnterOp) -> None:
    """Until the exit: the wait, the bytes that are expected, and copies that report to the full barrier."""
    leave = queries.matching_exit(op)
    assert leave is not None
    ring, copies, kinds = at.ring, queries.awaited(leave), [kind.data for kind in leave.completion]
    stage, parity = at.place(ring.counter(at.role, "put"))
    at(aref.BarrierWaitOp(ring.empty, stage, at.value(arith.SubiOp(at.constant(1), parity))))
    if "tma" in kinds:
        bytes = sum(aref.tile_bytes(aref.tile_in(copy.memory)) for copy in copies if copy.completion.data == "tma")
        at(aref.ArriveOp(ring.full, stage, 1, bytes))
    for copy in copies:
        if copy.completion.data == "tma":
            _report(copy, ring.full, stage)
    at.enter(op, stage)
    out = _At(leave, at.role, ring)
    if "cp_async" in kinds:
        out(aref.CopyArriveOp(ring.full, stage, _arrivals("cp_async", at.role)))
    if "none" in kinds:
        out(aref.ProxyFenceOp())
        out(aref.ArriveOp(ring.full, stage, _arrivals("none", at.role)))
    out(aref.AdvanceOp(ring.counter(at.role, "put")))
    at.erase()
    out.erase()


def _report(copy: aref.CopyOp, barriers: SSAValue, stage: SSAValue) -> None:
    """The copy tells the barrier that it has landed."""
    new = aref.CopyOp(
        copy.memory,
        copy.buffer,
        copy.row,
        copy.column,
        copy.access.data,
        copy.completion.data,
        copy.batch,
        barriers,
        stage,
    )
    new.location = copy.location
    Rewriter.replace_op(copy, new)


def _get_enter(at: _At, op: aref.GetEnterOp) -> None:
    counter = at.ring.counter(at.role, "entered")
    stage, parity = at.place(counter)
    at(aref.BarrierWaitOp(at.ring.full, stage, parity))
    at.enter(op, stage)
    at(aref.AdvanceOp(counter))
    at.erase()


def _get_exit(at: _At, op: aref.GetExitOp) -> None:
    """Arrives for each slot from the first that is held to the last that is not kept."""
    entered, released = (at.ring.counter(at.role, what) for what in ("entered", "released"))
    low, high = at.value(aref.CountOp(released)), at.value(aref.CountOp(entered))
    end = at.value(arith.SubiOp(high, at.constant(op.keep.data))) if op.keep.data else high
    if at.released == 1:  # a branch costs the tensor cores less than a loop does
        body = _release(at, Block(), low, released)
        at(scf.IfOp(at.value(arith.CmpiOp(low, end, "ult")), [], Region(body)))
    else:
        body = Block(arg_types=[IndexType()])
        _release(at, body, body.args[0], released)
        at(scf.ForOp(low, end, at.constant(1), [], Region(body)))
    at.erase()


def _release(at: _At, body: Block, count: SSAValue, released: SSAValue) -> Block:
    """The slot that was entered as number `count` is free for the producer."""
    depth = arith.ConstantOp(IntegerAttr.from_index_int_value(at.ring.made.depth.data))
    stage = arith.RemUIOp(count, depth.result)
    stage.result.name_hint = "stage"
    arrive = aref.ArriveOp(at.ring.empty, stage.result, at.role.warps.data)
    ops: Sequence[Operation] = [depth, stage, arrive, aref.AdvanceOp(released), scf.YieldOp()]
    for inner in ops:
        inner.location = at.op.location
    body.add_ops(ops)
    return body


def _most_released(leave: Operation, role: aref.RoleOp) -> int:
    """How many slots the exit may release, where that is easily seen: one, else 2 for any number.

    Exits keep `keep` at most, so that an exit finds what the one before kept and what its own block has entered since.
    """
    if not isinstance(leave, aref.GetExitOp):
        return 0
    ring = [op for op in role.walk() if isinstance(op, aref.GetEnterOp | aref.GetExitOp) and op.ring is leave.ring]
    kept = max(op.keep.data for op in ring if isinstance(op, aref.GetExitOp))
    if not all(_is_left_in_block(op) for op in ring if isinstance(op, aref.GetEnterOp)):
        return 2
    since, op = 0, leave.prev_op
    while op is not None and not (isinstance(op, aref.GetExitOp) and op.ring is leave.ring):
        since += isinstance(op, aref.GetEnterOp) and op.ring is leave.ring
        op = op.prev_op
    return min(2, kept + since - leave.keep.data)


def _is_left_in_block(enter: aref.GetEnterOp) -> bool:
    """Whether an exit of the ring follows in the same block."""
    op = enter.next_op
    while op is not None and not (isinstance(op, aref.GetExitOp) and op.ring is enter.ring):
        op = op.next_op
    return op is not None


_STEPS: dict[type[Operation], Callable[..., None]] = {
    aref.PutEnterOp: _put_enter,
    aref.GetEnterOp: _get_enter,
    aref.GetExitOp: _get_exit,
}
