"""Prints what a role does: waits and arrivals, copies, products, and in between what it computes on tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ....ir import aref, tile
from ....ir.aref.limits import BARRIER_BYTES
from ....ir.aref.tensor_map import why_no_tensor_map
from ....ir.dims import Dim
from ...cpu.expressions import UnsupportedKernelError, over, rest, sum_of
from .context import Context
from .layouts import WARPGROUP_ROWS
from .shared import SharedMemory, TileMemory
from .tensor_maps import TensorMap, tensor_map
from .tiles import ELEMENTWISE, SPELLED_OUT, Tiles

STEP = 16
"""Elements of k of one wgmma on 16-bit operands."""
ALONE = (
    aref.BarrierWaitOp, aref.ArriveOp, aref.CopyOp, aref.BulkStoreOp, aref.StoreWaitOp, aref.CountOp, aref.AdvanceOp,
    aref.SlotOp, scf.ForOp, scf.IfOp, scf.YieldOp, tile.SizeOp, tile.LoadIndexOp,
)  # fmt: skip
"""What one thread does for its whole role."""


@dataclass(frozen=True)
class Memory:
    """A tile in shared memory: the variable with its address, and how it lies."""

    address: str
    held: TileMemory


@dataclass
class RolePrinter:
    """`maps`: the tensor maps of the kernel, by name; `tiles` has the tiles in registers, flights included."""

    ctx: Context
    role: aref.RoleOp
    shared: SharedMemory
    barriers: dict[SSAValue, str]
    maps: dict[TensorMap, str]
    tiles: Tiles = field(init=False)
    memories: dict[SSAValue, Memory] = field(default_factory=dict[SSAValue, Memory])
    counters: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])

    def __post_init__(self) -> None:
        self.tiles = Tiles(self.ctx)

    @property
    def is_alone(self) -> bool:
        """Whether one elected thread does all of it."""
        ops = [op for op in self.role.walk() if op is not self.role]
        return self.role.warps.data == 1 and all(isinstance(op, ALONE) or tile.is_index(op) for op in ops)

    def declare_counters(self, counters: Sequence[aref.CounterOp]) -> None:
        """The counters of this role: they live across its tiles."""
        for op in counters:
            name = self.counters[op.counter] = self.ctx.names.of(op.counter, "count")
            self.ctx.out(f"uint32_t {name} = {op.start.data};")

    def print(self, block: Block) -> None:
        """The ops of a block, in order; elementwise ones together."""
        run: list[Operation] = []
        for op in block.ops:
            if isinstance(op, ELEMENTWISE):
                run.append(op)
                continue
            if isinstance(op, SPELLED_OUT):
                continue
            self.tiles.print_run(run)
            run = []
            self._print_op(op)
        self.tiles.print_run(run)

    def _print_op(self, op: Operation) -> None:
        out = self.ctx.out
        match op:
            case scf.ForOp():
                self._for(op)
            case scf.IfOp():
                self._if(op)
            case scf.YieldOp():
                self._yield(op)
            case aref.CountOp():
                self._count(op)
            case aref.AdvanceOp():
                out(f"{self.counters[op.counter]} += {op.by.data};")
            case aref.SlotOp():
                self._slot(op)
            case aref.BarrierWaitOp():
                out(f"ww::mbarrier_wait({self._barrier(op)}, {self.ctx.symbols.index(op.parity)});")
            case aref.ArriveOp():
                self._arrive(op)
            case aref.CopyOp():
                self._copy(op)
            case aref.BulkStoreOp():
                self._bulk_store(op)
            case aref.StoreWaitOp():
                self.by_one(f"ww::tma_store_wait_read<{op.pending.data}>();")
            case aref.ProxyFenceOp():
                out("ww::fence_proxy_async();")
            case aref.BarrierSyncOp():
                out(f"ww::named_barrier_sync({op.id.data}, {op.threads.data});")
            case aref.BarrierArriveOp():
                out(f"ww::named_barrier_arrive({op.id.data}, {op.threads.data});")
            case aref.StartOp():
                self._start(op)
            case aref.MmaOp():
                self._product(op)
            case aref.WaitOp():
                self._wait(op)
            case aref.StoreOp():
                self._store(op)
            case aref.ReadOp():
                self._read(op)
            case _ if tile.is_index(op):
                self.ctx.define_index(op)
            case _:
                self.tiles.print_op(op)

    # ---- control -----------------------------------------------------------------------------------------------

    def _for(self, op: scf.ForOp) -> None:
        body, registers = op.body.block, self.tiles.registers
        for arg, start, result in zip(body.args[1:], op.iter_args, op.results, strict=True):
            shared = start not in registers or _outlives(start, op)
            registers[arg] = registers[result] = self._fresh_copy(start) if shared else registers[start]
        low, high, step = (self.ctx.symbols.index(v) for v in (op.lb, op.ub, op.step))
        counter = self.ctx.symbols.names[body.args[0]] = self.ctx.names.of(body.args[0], "k")
        if op.ub in self.ctx.counts:
            self.ctx.counts.add(body.args[0])
        kind = "uint32_t" if op.ub in self.ctx.counts else "int"
        head = f"for ({kind} {counter} = {low}; {counter} < {high}; {counter} += {step})"
        self.ctx.out("WW_NO_UNROLL")
        with self.ctx.names.scope(), self.ctx.out.block(head):
            self.print(body)

    def _yield(self, op: scf.YieldOp) -> None:
        """Results into what the loop carries. Raises UnsupportedKernelError where that takes a detour."""
        parent = op.parent_op()
        if not isinstance(parent, scf.ForOp):
            return
        targets = [self.tiles.registers[arg] for arg in parent.body.block.args[1:]]
        for number, (target, value) in enumerate(zip(targets, op.operands, strict=True)):
            later = [self.tiles.registers.get(v) for v in op.operands[number + 1 :]]
            if target in later and self.tiles.registers.get(value) != target:
                raise UnsupportedKernelError("a loop whose carried tiles change places")
            if not isinstance(value.type, aref.FlightType):
                self.tiles.assign(target, value)
            elif self.tiles.registers[value] != target:
                raise UnsupportedKernelError("a product that moves to other registers while it runs")

    def _if(self, op: scf.IfOp) -> None:
        if op.results:
            raise UnsupportedKernelError("a condition that gives values")
        with self.ctx.out.block(f"if ({self.ctx.symbols.index(op.cond)})"):
            self.print(op.true_region.block)
        if op.false_region.blocks:
            with self.ctx.out.block("else"):
                self.print(op.false_region.block)

    def _fresh_copy(self, value: SSAValue) -> str:
        """Registers of its own for what a loop carries."""
        if isinstance(value.type, aref.FlightType):
            raise UnsupportedKernelError("a product that is carried and needed beside")
        return self.tiles.copy(value, value.name_hint or "carried")

    def _count(self, op: aref.CountOp) -> None:
        name = self.ctx.symbols.names[op.result] = self.ctx.names.of(op.result, "count")
        self.ctx.counts.add(op.result)
        self.ctx.out(f"const uint32_t {name} = {self.counters[op.counter]};")

    # ---- barriers and slots ------------------------------------------------------------------------------------

    def _barrier(self, op: aref.BarrierWaitOp | aref.ArriveOp | aref.CopyOp) -> str:
        assert op.barriers is not None
        assert op.stage is not None
        return f"{self.barriers[op.barriers]} + {BARRIER_BYTES} * {self.ctx.symbols.index(op.stage)}"

    def _slot(self, op: aref.SlotOp) -> None:
        ring = self.shared.rings[op.ring]
        stage = self.ctx.symbols.index(op.stage)
        for value, held in zip(op.tiles, ring.tiles, strict=True):
            if not list(value.uses):  # another role's
                continue
            name = self.ctx.names.of(value, ring.name)
            offset = sum_of([str(ring.offset + held.offset), f"{stage} * {ring.slot_bytes}" if ring.depth > 1 else "0"])
            self.ctx.out(f"const uint32_t {name} = smem + {offset};")
            self.memories[value] = Memory(name, held)

    def _arrive(self, op: aref.ArriveOp) -> None:
        barrier = self._barrier(op)
        if op.bytes.data:
            self.by_one(f"ww::mbarrier_arrive_expect({barrier}, {op.bytes.data});")
        elif op.arrivals.data == 1:
            self.by_one(f"ww::mbarrier_arrive({barrier});")
        elif op.arrivals.data == self.role.warps.data:
            self.ctx.out("ww::warp_sync();")
            self.ctx.out(f"if (ww::elect_one()) ww::mbarrier_arrive({barrier});")
        elif op.arrivals.data == self.role.threads:
            self.ctx.out(f"ww::mbarrier_arrive({barrier});")
        else:
            raise UnsupportedKernelError(f"{op.arrivals.data} arrivals of {self.role.warps.data} warps")

    def by_one(self, statement: str) -> None:
        """What one thread does for the role: the thread that runs it alone, or an elected one."""
        self.ctx.out(statement if self.is_alone else f"if (chosen) {statement}")

    # ---- copies ------------------------------------------------------------------------------------------------

    def _copy(self, op: aref.CopyOp) -> None:
        if op.completion.data != "tma":
            raise UnsupportedKernelError(f"a copy by {op.completion.data}")
        memory = self.memories[op.memory]
        for panel in range(memory.held.panels):
            coordinates = ", ".join(self._coordinates(op, memory.held, panel))
            target = sum_of([memory.address, str(panel * memory.held.panel_bytes)])
            self.by_one(f"ww::tma_load({target}, &{self._map(op, memory.held)}, {self._barrier(op)}, {coordinates});")

    def _bulk_store(self, op: aref.BulkStoreOp) -> None:
        memory = self.memories[op.memory]
        for panel in range(memory.held.panels):
            coordinates = ", ".join(self._coordinates(op, memory.held, panel))
            source = sum_of([memory.address, str(panel * memory.held.panel_bytes)])
            self.by_one(f"ww::tma_store(&{self._map(op, memory.held)}, {source}, {coordinates});")
        self.by_one("ww::tma_store_commit();")

    def _map(self, op: aref.CopyOp | aref.BulkStoreOp, held: TileMemory) -> str:
        if refusal := why_no_tensor_map(op.access.data, held.tile):
            raise UnsupportedKernelError(f"a copy by TMA: {refusal}")
        found = tensor_map(op, held)
        if found not in self.maps:
            self.maps[found] = self.ctx.names.fresh(f"{self.ctx.buffers[op.buffer]}_map")
        return self.maps[found]

    def _coordinates(self, op: aref.CopyOp | aref.BulkStoreOp, held: TileMemory, panel: int) -> list[str]:
        """Innermost first."""
        index, access = self.ctx.symbols.index, op.access.data
        found = [sum_of([index(op.column), str(panel * held.panel_columns)]), *self._split(access.rows, index(op.row))]
        if op.batch is not None:
            parts = self._split(access.batch, index(op.batch))
            found += [part for part, axis in zip(parts, reversed(access.batch), strict=True) if axis.stride != Dim()]
        return found

    def _split(self, axes: Sequence[tile.Axis], position: str) -> list[str]:
        """The index along each axis, the last axis first."""
        found: list[str] = []
        for number in reversed(range(len(axes))):
            size = self.ctx.symbols.dim(axes[number].size)
            found.append(rest(position, size) if number else position)
            position = over(position, size)
        return found

    # ---- products ----------------------------------------------------------------------------------------------

    def _start(self, op: aref.StartOp) -> None:
        """Registers for the accumulator; one that starts at zero and is used by products alone needs none yet."""
        if not _is_zero(op) or any(not isinstance(use.operation, aref.MmaOp) for use in op.result.uses):
            self.tiles.registers[op.result] = self.tiles.copy(op.operands[0], op.result.name_hint or "sum")

    def _product(self, op: aref.MmaOp) -> None:
        """The products of all k of two tiles, a group of its own."""
        out, b = self.ctx.out, self.memories[op.b]
        element = {"bf16": "ww::bf16", "f16": "ww::f16"}.get(b.held.dtype)
        if element is None:
            raise UnsupportedKernelError(f"an asynchronous product of {b.held.dtype}")
        sums, adds = self._accumulator(op)
        fragment = self._fragment(op, element) if self._in_registers(op) else ""
        out("ww::wgmma_fence();")
        out("WW_UNROLL")
        with out.block(
            f"for (int k = 0; k < {b.held.columns if op.transposed is not None else b.held.rows}; k += {STEP})"
        ):
            out(f"const uint64_t right = {self._right(op, b)};")
            left = fragment or self._rows_of_a(self.memories[op.a])
            columns = aref.tile_in(op.result).get_shape()[1]
            out(f"ww::wgmma<{element}, {columns}{self._majors(op)}>({sums}, {left}, right, {adds});")
        out("ww::wgmma_commit();")

    def _accumulator(self, op: aref.MmaOp) -> tuple[str, str]:
        """(the registers that the product is added to, the condition under which they hold something)."""
        registers, sums = self.tiles.registers, op.accumulator
        if sums not in registers:  # it starts at zero
            name = registers[op.result] = self.ctx.names.of(op.result, "product")
            self.ctx.out(f"float {name}[{self.ctx.layouts.of(op.result).count}];")
            return name, "k > 0"
        if len(list(sums.uses)) > 1:
            raise UnsupportedKernelError("an accumulator that two products are added to")
        registers[op.result] = registers[sums]
        return registers[sums], "true"

    def _majors(self, op: aref.MmaOp) -> str:
        """The template arguments that say how operands lie, where not as `nn.Linear`'s do."""
        if op.transposed is not None:
            return ""
        return ", ww::Major::mn" if self._in_registers(op) else ", ww::Major::k, ww::Major::mn"

    def _in_registers(self, op: aref.MmaOp) -> bool:
        return not isinstance(op.a.type, aref.MemoryType)

    def _fragment(self, op: aref.MmaOp, element: str) -> str:
        """A tile in registers as the operand's fragments, rounded."""
        source, layout = self.tiles.array_of(op.a), self.ctx.layouts.of(op.a)
        name = self.ctx.names.fresh(f"{source}_bits")
        self.ctx.out(f"uint32_t {name}[{layout.columns // STEP}][4];")
        self.ctx.out(f"ww::to_fragments<{element}, {layout.columns}>({source}, {name});")
        return f"{name}[k / {STEP}]"

    def _rows_of_a(self, a: Memory) -> str:
        """The warpgroup's 64 rows of an operand whose rows run along k."""
        rows = (
            f" + group * {WARPGROUP_ROWS * a.held.panel_columns * a.held.item_bytes}"
            if a.held.rows > WARPGROUP_ROWS
            else ""
        )
        return f"ww::k_major({_swizzle(a.held)}, {a.address}{rows} + {_along_k(a.held)})"

    def _right(self, op: aref.MmaOp, b: Memory) -> str:
        if op.transposed is not None:
            return f"ww::k_major({_swizzle(b.held)}, {b.address} + {_along_k(b.held)})"
        down = b.held.panel_columns * b.held.item_bytes
        return f"ww::mn_major({_swizzle(b.held)}, {b.address} + k * {down}, {b.held.panel_bytes})"

    def _wait(self, op: aref.WaitOp) -> None:
        self.ctx.out(f"ww::wgmma_wait<{op.pending.data}>();")
        for flight, value in zip(op.flights, op.tiles, strict=True):
            self.tiles.registers[value] = self.tiles.registers[flight]

    # ---- slots and registers -----------------------------------------------------------------------------------

    def _store(self, op: aref.StoreOp) -> None:
        memory = self.memories[op.memory]
        self._slot_call("store", memory, self.tiles.array_of(op.value))

    def _read(self, op: aref.ReadOp) -> None:
        layout = self.ctx.layouts.of(op.result)
        if layout.kind != "spread":
            raise UnsupportedKernelError(f"a slot read as {layout.kind}")
        name = self.tiles.registers[op.result] = self.ctx.names.of(op.result, "x")
        self.ctx.out(f"float {name}[{layout.count}];")
        self._slot_call("load", self.memories[op.memory], name)

    def _slot_call(self, verb: str, memory: Memory, registers: str) -> None:
        held = memory.held
        if held.dtype not in ("bf16", "f16") or held.swizzle == 0:
            raise UnsupportedKernelError(f"registers and a slot of {held.dtype} with a swizzle of {held.swizzle}")
        row = f"group * {WARPGROUP_ROWS}" if held.rows > WARPGROUP_ROWS else "0"
        form = (
            f"<ww::{held.dtype}, {held.rows}, {held.columns}>({_swizzle(held)}, {memory.address}, {row}, {registers});"
        )
        self.ctx.out(f"ww::{verb}_slot{form}")


def _is_zero(op: aref.StartOp) -> bool:
    maker = op.operands[0].owner
    return isinstance(maker, tile.FillOp) and maker.value.value.data == 0


def _outlives(value: SSAValue, loop: scf.ForOp) -> bool:
    """Whether the value is needed by another op than the loop that carries it."""
    return any(use.operation is not loop for use in value.uses)


def _swizzle(held: TileMemory) -> str:
    return f"ww::Swizzle::{f'bytes{held.swizzle}' if held.swizzle else 'none'}"


def _along_k(held: TileMemory) -> str:
    """The offset of k elements along a row, in panels."""
    step = f"k * {held.item_bytes}"
    if held.panels == 1:
        return step
    panel = held.panel_columns
    return f"k / {panel} * {held.panel_bytes} + k % {panel} * {held.item_bytes}"
