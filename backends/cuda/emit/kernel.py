"""A kernel function: shared memory, barriers, and one branch for each role, which walks the CTA's tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.ir import SSAValue

from ....ir import aref, tile
from ....ir.aref import queries
from ....ir.aref.limits import BARRIER_BYTES, HOPPER, Limits
from ....ir.dims import Dim
from ....runtime.launch import SMS
from ..source import CudaLaunch, CudaSource
from .context import FAULT, Context
from .launch import described
from .roles import RolePrinter
from .shared import SharedMemory
from .tensor_maps import TensorMap


def emit(kernel: tile.KernelOp, limits: Limits = HOPPER) -> list[CudaSource]:
    """One source for each loop over tiles, in order: launches of their own, each after the ones before. `limits`: of the target
    that the kernel's roles are for. Raises UnsupportedKernelError."""
    loops = [loop for phase in kernel.phases for loop in phase]
    names = [kernel.sym_name.data] if len(loops) == 1 else [f"{kernel.sym_name.data}_{n}" for n in range(len(loops))]
    return [_Kernel(kernel, loop, name, limits).emit() for loop, name in zip(loops, names, strict=True)]


@dataclass
class _Kernel:
    kernel: tile.KernelOp
    loop: tile.ParallelOp
    name: str
    limits: Limits
    ctx: Context = field(init=False)
    shared: SharedMemory = field(init=False)
    barriers: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    maps: dict[TensorMap, str] = field(default_factory=dict[TensorMap, str])

    def __post_init__(self) -> None:
        self.ctx, self.shared = Context(self.kernel), SharedMemory.of(self.loop)

    @property
    def has_tma(self) -> bool:
        """With it come roles that differ: registers change hands, and barriers are seen by the unit that copies."""
        return self.limits.copies == "tma"

    @property
    def schedule(self) -> aref.ScheduleAttr:
        found = self.loop.attributes.get("aref.schedule")
        return found if isinstance(found, aref.ScheduleAttr) else aref.ScheduleAttr.of(persistent=False)

    @property
    def tile_counts(self) -> tuple[Dim, Dim, Dim]:
        """Batches, rows and columns of tiles."""
        rows, columns = self.loop.tile_shape
        return self.loop.batch.data, self.loop.rows.data.ceil_div(rows), self.loop.columns.data.ceil_div(columns)

    def emit(self) -> CudaSource:
        out = self.ctx.out
        with out.block(""):
            self._prologue()
            bundles = self._bundles()
            for first, roles in bundles.items():
                self._bundle(first, roles, alone=len(bundles) == 1)
        batches, rows, columns = self.tile_counts
        tiles = batches * rows * columns
        grid = str(Dim.of(SMS).min(tiles) if self.schedule.persistent.value.data else tiles)
        threads = aref.WARP * queries.warps_of(self.loop)
        launch = described(
            self.ctx, self.loop, self.name, threads, self.shared.bytes, self.maps, grid, self.limits.name
        )
        return CudaSource(self._head(launch) + out.text.lstrip(), launch)

    # ---- the head ----------------------------------------------------------------------------------------------

    def _head(self, launch: CudaLaunch) -> str:
        """Comments, the include and the signature."""
        rows, columns = self.loop.tile_shape
        walk = "one a block."
        if self.schedule.persistent.value.data:
            walk = f"persistent blocks walk them in bands of {self.schedule.group.data}; counters run on from tile to tile."
        rings = [f"//   {r.name}: {r.depth} slots of {r.slot_bytes} bytes" for r in self.shared.rings.values()]
        parameters = [f"WW_TENSOR_MAP({name})" for name in self.maps.values()] + self.ctx.parameters
        return "\n".join([
            f"// {self.name}: tiles of {rows} x {columns}; {walk}",
            *(["// Rings in shared memory:", *rings] if rings else []),
            '#include "ww_cuda.h"',
            "",
            f'extern "C" WW_KERNEL({launch.threads}, {launch.blocks}) {self.name}({", ".join(parameters)}) ',
        ])  # fmt: skip

    def _prologue(self) -> None:
        out, made = self.ctx.out, [op for op in self.loop.body.ops if isinstance(op, aref.BarriersOp)]
        for number, (index, entries, extent) in enumerate(self.kernel.lookups, 1):
            sizes = f"{self.ctx.symbols.dim(entries)}, {self.ctx.symbols.dim(extent)}"
            out(f"if (ww::is_outside({number}, {self.ctx.buffers[index]}, {sizes}, {FAULT})) return;")
        if made:
            self._make_barriers(made)
        out("const int warp = ww::warp_index();")
        batches, rows, columns = self.tile_counts
        out(f"const int row_tiles = {self.ctx.symbols.dim(rows)}, column_tiles = {self.ctx.symbols.dim(columns)};")
        out(f"const int tiles = {self.ctx.symbols.dim(batches)} * row_tiles * column_tiles;")

    def _make_barriers(self, made: Sequence[aref.BarriersOp]) -> None:
        out = self.ctx.out
        out("const uint32_t smem = ww::shared_memory();")
        for op in made:
            name = self.barriers[op.barriers] = self.ctx.names.fresh(op.label.data.replace(" of %", "_"))
            out(f"const uint32_t {name} = smem + {self.shared.barriers[op.barriers]};")
        with out.block("if (ww::thread_index() == 0)"):
            for op in made:
                name = self.barriers[op.barriers]
                with out.block(f"for (int s = 0; s < {op.count.data}; ++s)"):
                    out(f"ww::mbarrier_init({name} + {BARRIER_BYTES} * s, {op.arrivals.data});")
                    out(f'ww::label({name} + {BARRIER_BYTES} * s, "{op.label.data}", s);')
            if self.has_tma:
                out("ww::fence_mbarrier_init();")
        out("ww::block_sync();")

    # ---- roles -------------------------------------------------------------------------------------------------

    def _bundles(self) -> dict[int, list[tuple[aref.RoleOp, int]]]:
        """First warp of a run of warpgroups → its roles with their first warps: small roles share a warpgroup."""
        found: dict[int, list[tuple[aref.RoleOp, int]]] = {}
        for role, first in queries.first_warps(self.loop):
            found.setdefault(first // aref.WARPGROUP * aref.WARPGROUP, []).append((role, first))
        return found

    def _bundle(self, first: int, roles: list[tuple[aref.RoleOp, int]], alone: bool) -> None:
        """The branch of some warpgroups. All their warps change registers, unless they are `alone`; idle ones then do nothing."""
        out, (leading, _) = self.ctx.out, roles[0]
        end = first + aref.WARPGROUP * leading.warpgroups
        out()
        with out.block(f"if ({f'warp >= {first} && ' if first else ''}warp < {end})"):
            if not alone:
                out(f"ww::{self._register_change(leading)}_registers<{leading.registers.data}>();")
            for role, own in roles:
                with self.ctx.names.scope():
                    self._role(role, own, whole=(own, own + role.warps.data) == (first, end))

    def _role(self, role: aref.RoleOp, first: int, whole: bool) -> None:
        """What a role's warps do. `whole`: they are all warps of their warpgroups."""
        out, printer = self.ctx.out, RolePrinter(self.ctx, role, self.shared, self.barriers, self.maps)
        mine = (
            ""
            if whole
            else f"warp == {first}"
            if role.warps.data == 1
            else f"warp >= {first} && warp < {first + role.warps.data}"
        )
        condition = " && ".join(filter(None, [mine, "ww::elect_one()" if printer.is_alone else ""]))
        out(f"// ---- {role.kind.data} {role.sym_name.data}: {role.warps.data} warp{'s' * (role.warps.data > 1)}")
        with out.block(f"if ({condition})" if condition else ""):
            out(f'ww::role("{role.sym_name.data}");')
            self._walk(role, first, printer)

    def _register_change(self, role: aref.RoleOp) -> str:
        """Whether the role gives registers back: it starts with as many as the launch bound leaves each thread."""
        threads = aref.WARP * queries.warps_of(self.loop)
        return "release" if role.registers.data < self.limits.registers // threads else "acquire"

    def _walk(self, role: aref.RoleOp, first: int, printer: RolePrinter) -> None:
        """The role's tiles, one after the other."""
        out = self.ctx.out
        if role.kind.data != "producer":
            self._place(role, first, printer)
        printer.declare_counters(
            [op for op in self.loop.body.ops if isinstance(op, aref.CounterOp) and _is_of(role, op)]
        )
        with out.block("for (int n = ww::block_index(); n < tiles; n += ww::block_count())"):
            self._indices(role)
            printer.print_role()
        if any(isinstance(op, aref.BulkStoreOp) for op in role.walk()):
            printer.by_one("ww::tma_store_wait<0>();")

    def _place(self, role: aref.RoleOp, first: int, printer: RolePrinter) -> None:
        """Where the thread stands in the role: its first row and column, and who speaks for all."""
        out = self.ctx.out
        if role.warpgroups > 1:
            out(f"const int group = warp / {aref.WARPGROUP} - {first // aref.WARPGROUP};")
        if printer.blocks == 1:
            printer.place_rows()
        out("[[maybe_unused]] const int lane_column = ww::own_column();")
        if not printer.is_alone:
            out(f"[[maybe_unused]] const bool chosen = warp == {first} && ww::elect_one();")

    def _indices(self, role: aref.RoleOp) -> None:
        """The parallel's indices and what is computed from them, as far as the role needs them."""
        out, (batch, row, column) = self.ctx.out, self.loop.body.args
        rows, columns = self.loop.tile_shape
        needed = _needed(self.loop, role)
        batched = self.loop.batch.data != Dim.of(1)
        number = "n % (row_tiles * column_tiles)" if batched else "n"
        if needed & {row, column}:
            out(f"const ww::Tile at = ww::banded<{self.schedule.group.data}>({number}, row_tiles, column_tiles);")
        for value, wish, text in (
            (batch, "b", "n / (row_tiles * column_tiles)" if batched else "0"),
            (row, "m", f"at.row * {rows}"),
            (column, "n0", f"at.column * {columns}"),
        ):
            if value in needed:
                name = self.ctx.symbols.names[value] = self.ctx.names.of(value, wish)
                out(f"const int {name} = {text};")
        for op in self.loop.body.ops:
            if not isinstance(op, aref.ArefOp) and needed.intersection(op.results):
                self.ctx.define_index(op)


def _needed(loop: tile.ParallelOp, role: aref.RoleOp) -> set[SSAValue]:
    """The values of the loop's body that a role uses, and those that they are computed from."""
    needed = {value for op in role.walk() for value in op.operands}
    for op in reversed(list(loop.body.ops)):
        if not isinstance(op, aref.RoleOp) and needed.intersection(op.results):
            needed.update(op.operands)
    return needed


def _is_of(role: aref.RoleOp, op: aref.CounterOp) -> bool:
    return any(role.is_ancestor(use.operation) for use in op.counter.uses)
