"""What a role may do with slots and products, walked along every path of its body by itself.

Loops run 0, 1, 2 and depth + 1 times, in all combinations, branches both ways: what a role holds after an iteration depends
on the two before it at most, or grows until it exceeds the depth. Loops and branches in which a role fills its own rings ahead
of itself leave it as they find it, or are refused: all of them are taken once, or none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from .. import tile
from . import queries
from .movement import BulkStoreOp, CopyOp, ReadOp, StoreOp, StoreWaitOp
from .products import DotOp, MmaOp, StartOp, WaitOp
from .rings import CreateOp, GetEnterOp, GetExitOp, PutEnterOp, PutExitOp
from .roles import RoleOp

Fault = tuple[Operation, str]


def faults_on_paths(role: RoleOp, loop: tile.ParallelOp) -> Iterator[Fault]:
    """The first fault of each path that has one."""
    choices = {key: ops for key, ops in queries.choices(loop).items() if any(_within(op, role) for op in ops)}
    ahead = [key for key, ops in choices.items() if all(queries.runs_ahead(op, loop) for op in ops)]
    keys = [key for key in choices if key not in ahead]
    deepest = max((made.depth.data for made in queries.rings_of(loop)), default=1)
    trips = sorted({0, 1, 2, deepest + 1})
    for often, *chosen in itertools.product(
        (0, 1) if ahead else (0,), *((0, 1) if len(key) == 1 else trips for key in keys)
    ):
        try:
            Path({**dict(zip(keys, chosen, strict=True)), **dict.fromkeys(ahead, often)}).role(role)
        except _FaultError as error:
            yield error.op, error.text


def kinds_of_uses(leave: PutExitOp | GetExitOp, role: RoleOp) -> set[str]:
    """The completion kinds of what is done with the slots: of this put, or of all the role's gets of the ring."""
    if isinstance(leave, PutExitOp):
        enter = queries.matching_enter(leave)
        entered = [enter] if enter is not None else []
    else:
        entered = [op for op in role.walk() if isinstance(op, GetEnterOp) and op.ring is leave.ring]
    uses = [use.operation for op in entered for t in op.tiles for use in t.uses]
    return {op.completion.data if isinstance(op, CopyOp) else _KINDS[type(op)] for op in uses if type(op) in _KINDS}


_KINDS: dict[type[Operation], str] = {
    CopyOp: "tma", StoreOp: "none", ReadOp: "none", DotOp: "none", MmaOp: "wgmma", BulkStoreOp: "tma",
}  # fmt: skip


class _FaultError(Exception):
    def __init__(self, op: Operation, text: str):
        super().__init__(text)
        self.op, self.text = op, text


@dataclass(eq=False)
class Slot:
    """A slot that the role is in, and which of its products and bulk stores read it last."""

    ring: SSAValue
    product: int = 0
    store: int = 0


@dataclass
class Path:
    """One path. Products and bulk stores are counted from 1; `ended`: those that a wait has covered."""

    trips: Mapping[tuple[SSAValue, ...], int]
    filling: dict[SSAValue, Slot] = field(default_factory=dict[SSAValue, Slot])
    held: dict[SSAValue, list[Slot]] = field(default_factory=dict[SSAValue, "list[Slot]"])
    values: dict[SSAValue, Slot | int | None] = field(default_factory=dict[SSAValue, "Slot | int | None"])
    products: int = 0
    products_ended: int = 0
    stores: int = 0
    stores_ended: int = 0

    def role(self, role: RoleOp) -> None:
        self.block(role.body, ())
        for slot in self.filling.values():
            self.fault(role, f"ends a tile inside a slot of {_name(slot.ring)}: aref.put_exit on every path")
        for ring, slots in self.held.items():
            if slots:
                self.fault(
                    role, f"ends a tile with {len(slots)} slots of {_name(ring)} held: aref.get_exit that keeps 0"
                )
        if self.products > self.products_ended:
            self.fault(role, f"ends a tile with {self.products - self.products_ended} products running: aref.wait")
        if self.stores > self.stores_ended:
            self.fault(role, f"ends a tile with {self.stores - self.stores_ended} bulk stores running: aref.store_wait")

    def block(self, block: Block, args: Sequence[Slot | int | None]) -> Sequence[Slot | int | None]:
        self.values.update(zip(block.args, args, strict=True))
        for op in block.ops:
            if isinstance(op, scf.YieldOp):
                return [self.values.get(v) for v in op.operands]
            if isinstance(op, scf.ForOp):
                carried: Sequence[Slot | int | None] = [self.values.get(v) for v in op.iter_args]
                for _ in range(self.trips[op.lb, op.ub, op.step]):
                    carried = self.block(op.body.block, [None, *carried])
                self.values.update(zip(op.results, carried, strict=True))
            elif isinstance(op, scf.IfOp):
                region = op.true_region if self.trips[(op.cond,)] else op.false_region
                results = self.block(region.block, ()) if region.blocks else ()
                self.values.update(zip(op.results, results, strict=True))
            elif type(op) in _STEPS:
                _STEPS[type(op)](self, op)
        return ()

    def fault(self, op: Operation, text: str) -> None:
        raise _FaultError(op, text)

    # ---- rings -----------------------------------------------------------------------------------------------------

    def put_enter(self, op: PutEnterOp) -> None:
        if op.ring in self.filling:
            self.fault(op, f"enters {_name(op.ring)} again before it has left the slot: aref.put_exit comes first")
        if queries.matching_exit(op) is None:
            self.fault(op, "its aref.put_exit stands in another block: fill a slot in one block")
        self.filling[op.ring] = Slot(op.ring)
        self.values.update(dict.fromkeys(op.tiles, self.filling[op.ring]))

    def put_exit(self, op: PutExitOp) -> None:
        if self.filling.pop(op.ring, None) is None:
            self.fault(op, f"leaves a slot of {_name(op.ring)} that was not entered: aref.put_enter comes first")

    def get_enter(self, op: GetEnterOp) -> None:
        held, made = self.held.setdefault(op.ring, []), op.ring.owner
        assert isinstance(made, CreateOp)
        if len(held) >= made.depth.data:
            self.fault(op, f"waits for a slot of {_name(op.ring)} with all {len(held)} held: keep fewer than its depth")
        held.append(Slot(op.ring))
        self.values.update(dict.fromkeys(op.tiles, held[-1]))

    def get_exit(self, op: GetExitOp) -> None:
        held = self.held.setdefault(op.ring, [])
        for slot in held[: max(0, len(held) - op.keep.data)]:
            if slot.product > self.products_ended:
                pending = self.products - slot.product
                self.fault(
                    op, f"releases a slot that a product still reads: aref.wait {{pending = {pending}}} comes first"
                )
            if slot.store > self.stores_ended:
                self.fault(op, "releases a slot that a bulk store still reads: aref.store_wait comes first")
            held.remove(slot)

    # ---- uses ------------------------------------------------------------------------------------------------------

    def fill(self, op: CopyOp | StoreOp) -> None:
        slot = self.values.get(op.memory)
        if slot is None or slot not in self.filling.values():
            self.fault(
                op, "writes to a slot that is not being filled: between its aref.put_enter and aref.put_exit only"
            )

    def taken(self, op: Operation, memory: SSAValue) -> Slot:
        slot = self.values.get(memory)
        if not isinstance(slot, Slot) or slot not in self.held.get(slot.ring, ()):
            self.fault(op, "reads a slot that is not held: between its aref.get_enter and aref.get_exit only")
        assert isinstance(slot, Slot)
        return slot

    def read(self, op: ReadOp) -> None:
        self.taken(op, op.memory)

    def mma(self, op: MmaOp) -> None:
        self.products += 1
        for memory in op.memories:
            self.taken(op, memory).product = self.products
        self.values[op.result] = self.products

    def dot(self, op: DotOp) -> None:
        for memory in op.memories:
            self.taken(op, memory)

    def start(self, op: StartOp) -> None:
        self.values[op.result] = 0

    def wait(self, op: WaitOp) -> None:
        self.products_ended = max(self.products_ended, self.products - op.pending.data)
        for flight in op.flights:
            issued = self.values.get(flight)
            assert isinstance(issued, int)
            if issued > self.products_ended:
                self.fault(
                    op, f"gives a tile of a product that may still run: pending = {self.products - issued} at most"
                )

    def bulk_store(self, op: BulkStoreOp) -> None:
        self.stores += 1
        self.taken(op, op.memory).store = self.stores

    def store_wait(self, op: StoreWaitOp) -> None:
        self.stores_ended = max(self.stores_ended, self.stores - op.pending.data)


_STEPS: dict[type[Operation], Callable[..., None]] = {
    PutEnterOp: Path.put_enter,
    PutExitOp: Path.put_exit,
    GetEnterOp: Path.get_enter,
    GetExitOp: Path.get_exit,
    CopyOp: Path.fill,
    StoreOp: Path.fill,
    ReadOp: Path.read,
    MmaOp: Path.mma,
    DotOp: Path.dot,
    StartOp: Path.start,
    WaitOp: Path.wait,
    BulkStoreOp: Path.bulk_store,
    StoreWaitOp: Path.store_wait,
}


def _name(ring: SSAValue) -> str:
    return f"%{ring.name_hint}" if ring.name_hint else "its ring"


def _within(op: Operation, role: RoleOp) -> bool:
    parent = op.parent_op()
    while parent is not None and parent is not role:
        parent = parent.parent_op()
    return parent is role
