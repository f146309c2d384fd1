"""Insert arefs: a marked loop becomes roles and rings, one slot each and nothing in flight longer than it must.

A warp fills rings with the staged loads, in program order. Warpgroups multiply from the slots: each product is issued where its
`tile.dot` stood and waited for where its sum is first used; a sum that only the next product of a loop uses stays in flight
around the loop. Tiles that a tensor map describes leave through a ring and a warp that stores them; where nothing is loaded
ahead, the warpgroups store them. A left side that the warpgroups stage themselves goes through a ring that they both fill and
read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.dialects import scf
from xdsl.dialects.builtin import IntAttr
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import Rewriter

from ...ir import aref, tile
from ...ir.aref.tensor_map import why_no_tensor_map
from .partition_warps import OWN, STAGED, WARPS, carried, operand, staged_tile

REGISTERS = 128
"""Of every role before registers are budgeted."""


def run(loop: tile.ParallelOp) -> None:
    """Expects the marks of `partition_warps`; takes them away."""
    warps, body, rings = opened(loop)
    load = _Producer(rings).body(body)
    _Consumer(rings).block(body)
    store = _stores(loop, body) if rings.groups else Block()
    for name, kind, number, block in (
        ("load", "producer", 1, load), ("store", "epilogue", 1, store), ("math", "consumer", warps, body)
    ):  # fmt: skip
        if block.first_op is not None:
            role = aref.RoleOp(name, kind, number, REGISTERS, block)
            role.location = loop.location
            loop.body.add_op(role)


def opened(loop: tile.ParallelOp) -> tuple[int, Block, Rings]:
    """The warps that multiply, what the loop does but for indices, which all roles share, and the rings of its staged loads."""
    warps = loop.attributes.pop(WARPS)
    assert isinstance(warps, IntAttr)
    body = Block()
    for op in list(loop.body.ops):
        if not tile.is_index(op):
            op.detach()
            body.add_op(op)
    rings = Rings(loop)
    rings.group(body)
    return warps.data, body, rings


# ---- which loads share a slot --------------------------------------------------------------------------------------


@dataclass(eq=False)
class Group:
    """Loads of one block that fill one slot together."""

    ring: SSAValue
    loads: list[tile.LoadOp]


@dataclass
class Rings:
    """The rings of a loop's staged loads.

    Loads whose products all stay in flight around one loop share a slot; of others, those of one place in one buffer share a
    ring.
    """

    loop: tile.ParallelOp
    groups: list[Group] = field(default_factory=list[Group])
    _made: dict[object, SSAValue] = field(default_factory=dict[object, SSAValue])

    def group(self, body: Block) -> None:
        for block in (body, *(op.body.block for op in body.ops if isinstance(op, scf.ForOp))):
            own = [op for op in block.ops if isinstance(op, tile.LoadOp) and OWN in op.attributes]
            self.groups += [Group(self.ring([load], load), [load]) for load in own]
            loads = [op for op in block.ops if isinstance(op, tile.LoadOp) and STAGED in op.attributes]
            together = [load for load in loads if all(carried(dot) for dot in products_of(load))]
            if together:
                self.groups.append(Group(self.ring(together, block), together))
            for load in loads:
                if load not in together:
                    key = load.buffer, load.access, load.result.type
                    self.groups.append(Group(self.ring([load], key), [load]))

    def ring(self, loads: Sequence[tile.LoadOp], key: object) -> SSAValue:
        """The ring of a key, made before the roles with one slot where it is new."""
        if key not in self._made:
            self._made[key] = make_ring(self.loop, [staged_tile(load) for load in loads], "operands")
        return self._made[key]

    def of(self, load: Operation) -> Group:
        return next(group for group in self.groups if load in group.loads)


def make_ring(loop: tile.ParallelOp, tiles: Sequence[tile.TileType], name: str) -> SSAValue:
    made = aref.CreateOp(1, aref.RingType.of(tiles), [swizzle(t) for t in tiles])
    made.ring.name_hint = name
    made.location = loop.location
    loop.body.add_op(made)
    return made.ring


def swizzle(tile: tile.TileType) -> int:
    """The widest that a row of the tile fills."""
    row = aref.tile_bytes(tile) // tile.get_shape()[0]
    return next((width for width in (128, 64, 32) if row % width == 0), 0)


def products_of(load: tile.LoadOp) -> list[tile.DotOp]:
    users = [use.operation for use in load.result.uses]
    found = [op for op in users if isinstance(op, tile.DotOp)]
    return found + [use.operation for op in users if isinstance(op, tile.PointwiseOp) for use in op.result.uses]  # pyright: ignore


# ---- the warp that loads -------------------------------------------------------------------------------------------


class _Producer:
    def __init__(self, rings: Rings):
        self.rings = rings

    def body(self, source: Block) -> Block:
        """What of the body fills rings."""
        made = Block()
        self.fill(source, made, {})
        return made

    def fill(self, source: Block, target: Block, known: dict[SSAValue, SSAValue]) -> None:
        for op in source.ops:
            if tile.is_index(op):
                target.add_op(op.clone(known))
            elif isinstance(op, tile.LoadOp) and STAGED in op.attributes and op is self.rings.of(op).loads[-1]:
                self.put(self.rings.of(op), target, known)
            elif isinstance(op, scf.ForOp) and any(STAGED in inner.attributes for inner in op.body.block.ops):
                inner = Block(arg_types=[op.body.block.args[0].type])
                self.fill(op.body.block, inner, known | {op.body.block.args[0]: inner.args[0]})
                inner.add_op(scf.YieldOp())
                target.add_op(scf.ForOp(op.lb, op.ub, op.step, [], Region(inner)))
        erase_dead_indices(target)

    def put(self, group: Group, target: Block, known: dict[SSAValue, SSAValue]) -> None:
        enter = aref.PutEnterOp(group.ring)
        ops: list[Operation] = [enter]
        for load, memory in zip(group.loads, enter.tiles, strict=True):
            row, column = (known.get(v, v) for v in (load.row, load.column))
            batch = known.get(load.batch, load.batch) if load.batch is not None else None
            ops.append(aref.CopyOp(memory, load.buffer, row, column, load.access.data, "tma", batch))
            ops[-1].location = load.location
        ops.append(aref.PutExitOp(group.ring, ["tma"]))
        enter.location = ops[-1].location = group.loads[0].location
        target.add_ops(ops)


def erase_dead_indices(block: Block) -> None:
    for op in reversed(list(block.ops)):
        if tile.is_index(op) and not any(list(r.uses) for r in op.results):
            op.detach()
            op.erase()


# ---- the warpgroups that multiply ----------------------------------------------------------------------------------


@dataclass
class Issued:
    """A product whose sum is still to be waited for: which of its block's it is, and what becomes free with it."""

    number: int
    sum: SSAValue
    product: aref.MmaOp
    scale: SSAValue | None
    rings: list[SSAValue]


class _Consumer:
    def __init__(self, rings: Rings):
        self.rings = rings
        self.memories: dict[SSAValue, SSAValue] = {}

    def block(self, block: Block) -> None:
        """Rewrites the block in place, and the loops in it; releases at its end what was entered in it and is still held."""
        issued: list[Issued] = []
        count = 0
        for op in list(block.ops):
            for wanted in [i for i in issued if _reads(op, i.sum)]:
                self.wait(wanted, count, op)
                issued.remove(wanted)
            if isinstance(op, tile.LoadOp) and STAGED in op.attributes:
                self.enter(op)
            elif isinstance(op, tile.LoadOp) and OWN in op.attributes:
                self.fill(op)
            elif isinstance(op, tile.DotOp):
                count += 1
                sent = self.multiply(op, count)
                issued += [sent] if sent is not None else []
            elif isinstance(op, scf.ForOp):
                self.loop(op)
        for group in self.rings.groups:
            if group.loads[0].parent is block and not self.left_early(group):
                self.release(group, block)
        for op in [op for op in block.ops if STAGED in op.attributes]:
            self.erase(op)
        erase_dead_indices(block)

    def fill(self, load: tile.LoadOp) -> None:
        """A tile in registers to a slot of its own, from which products take it."""
        del load.attributes[OWN]
        ring = self.rings.of(load).ring
        put, get = aref.PutEnterOp(ring), aref.GetEnterOp(ring)
        ops: list[Operation] = [put, aref.StoreOp(load.result, put.tiles[0]), aref.PutExitOp(ring, ["none"]), get]
        for new in ops:
            new.location = load.location
        block = load.parent
        assert block is not None
        block.insert_ops_after(ops, load)
        self.memories[load.result] = get.tiles[0]

    def enter(self, load: tile.LoadOp) -> None:
        """The slot of the load's group, where the first of it stands."""
        group = self.rings.of(load)
        if load is group.loads[0]:
            enter = aref.GetEnterOp(group.ring)
            _before(load, enter)
            self.memories.update(zip((member.result for member in group.loads), enter.tiles, strict=True))

    def multiply(self, dot: tile.DotOp, number: int) -> Issued | None:
        """The product in place of the dot; None where its sum stays in flight."""
        left, right = operand(dot.a), operand(dot.b)
        assert right.load is not None
        a = self.memories[left.load.result] if left.load is not None else dot.a
        accumulator = dot.accumulator
        if not isinstance(accumulator.type, aref.FlightType):
            start = aref.StartOp(accumulator)
            _before(dot, start)
            accumulator = start.result
        product = aref.MmaOp(a, self.memories[right.load.result], accumulator, dot.transposed is not None)
        _before(dot, product)
        if dot.accumulator is accumulator:
            dot.result.replace_all_uses_with(product.result)
            self.erase(dot)
            return None
        own = [o.load for o in (left, right) if o.load is not None and o.load.parent is dot.parent]
        rings = [self.rings.of(load).ring for load in own if products_of(load) == [dot]]
        return Issued(number, dot.result, product, left.scale, rings)

    def left_early(self, group: Group) -> bool:
        """Whether one wait frees the slot: one product of it, in its own block."""
        exits = [use.operation for use in group.ring.uses if isinstance(use.operation, aref.GetExitOp)]
        return any(op.parent is group.loads[0].parent for op in exits)

    def wait(self, issued: Issued, count: int, before: Operation) -> None:
        wait = aref.WaitOp(count - issued.number, [issued.product.result])
        block = before.parent
        assert block is not None
        ops: list[Operation] = [wait, *(aref.GetExitOp(ring, ["wgmma"]) for ring in issued.rings)]
        result: SSAValue = wait.tiles[0]
        if issued.scale is not None:
            scaled = tile.PointwiseOp("mul", [result, issued.scale])
            ops.append(scaled)
            result = scaled.result
        for new in ops:
            new.location = issued.product.location
        block.insert_ops_before(ops, before)
        dot = issued.sum.owner
        assert isinstance(dot, tile.DotOp)
        issued.sum.replace_all_uses_with(result)
        self.erase(dot)

    def loop(self, op: scf.ForOp) -> None:
        """Sums that go around the loop in flight become tiles after it."""
        block = op.body.block
        flown = [block.args.index(d.accumulator) - 1 for d in block.ops if isinstance(d, tile.DotOp) and carried(d)]
        for number in flown:
            start = aref.StartOp(op.iter_args[number])
            _before(op, start)
            op.operands[3 + number] = start.result
            Rewriter.replace_value_with_new_type(block.args[1 + number], start.result.type)
        self.block(block)
        if not flown:
            return
        results = [Rewriter.replace_value_with_new_type(op.results[n], op.iter_args[n].type) for n in flown]
        after, parent = aref.WaitOp(0, results), op.parent
        assert parent is not None
        for flight, sum in zip(results, after.tiles, strict=True):
            flight.replace_uses_with_if(sum, lambda use: use.operation is not after)
        parent.insert_op_after(after, op)
        after.location = op.location

    def release(self, group: Group, block: Block) -> None:
        """At the end of a block: all products ended, all slots left."""
        wait, exit = aref.WaitOp(0), aref.GetExitOp(group.ring, ["wgmma"])
        wait.location = exit.location = group.loads[0].location
        if block.last_op is not None and isinstance(block.last_op, scf.YieldOp):
            block.insert_ops_before([wait, exit], block.last_op)
            return
        last = [op for op in block.ops if any(isinstance(inner, aref.MmaOp | aref.WaitOp) for inner in op.walk())][-1]
        block.insert_op_after(exit, last)

    def erase(self, op: Operation) -> None:
        op.detach()
        sources = [v.owner for v in op.operands if isinstance(v.owner, tile.PointwiseOp)]
        op.erase()
        for source in sources:
            if not list(source.result.uses):
                self.erase(source)


def _reads(op: Operation, value: SSAValue) -> bool:
    return any(value is v for inner in op.walk() for v in inner.operands)


def _before(op: Operation, new: Operation) -> None:
    new.location = op.location
    block = op.parent
    assert block is not None
    block.insert_op_before(new, op)


# ---- the warp that stores ------------------------------------------------------------------------------------------


def _stores(loop: tile.ParallelOp, body: Block) -> Block:
    """The stores that TMA can do, as a role's body; their tiles leave `body` through rings."""
    made = Block()
    for op in [op for op in body.ops if isinstance(op, tile.StoreOp)]:
        assert isinstance(op.buffer.type, tile.BufferType)
        held = tile.tile_type(*tile.tile_shape(op.value), op.buffer.type.element)
        kept = tile.element_dtype(op.buffer) not in ("bf16", "f16") or swizzle(held) == 0
        if kept or why_no_tensor_map(op.access.data, held) is not None:
            continue
        ring = make_ring(loop, [held], "result")
        put, get = aref.PutEnterOp(ring), aref.GetEnterOp(ring)
        bulk = aref.BulkStoreOp(get.tiles[0], op.buffer, op.row, op.column, op.access.data, op.batch)
        leaves = [put, aref.StoreOp(op.value, put.tiles[0]), aref.PutExitOp(ring, ["none"])]
        stored = [get, bulk, aref.StoreWaitOp(0), aref.GetExitOp(ring, ["tma"])]
        for new in (*leaves, *stored):
            new.location = op.location
        body.insert_ops_before(leaves, op)
        made.add_ops(stored)
        op.detach()
        op.erase()
    return made
