"""Recognises GEMMs with packed weights and prints them on the header's driver: all parallels with one `a` in one call.

A loop over groups of rows is one call for each group that has any.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.ir import Operation, SSAValue

from ...ir import tile
from ...ir.dims import Dim
from . import access, row_numbers
from .blocking import ROWS, Blocking, blocking
from .context import Context
from .expressions import held, memory_type
from .pack import packed_type
from .rows import RowPrinter
from .stages import VIRTUAL, shape
from .values import Place, wish

MAX_COLUMNS = 256
PANEL = 32


@dataclass(frozen=True)
class Gemm:
    """A parallel loop whose body is acc_i = a · w_iᵀ over all of K and a row-local epilogue."""

    loop: tile.ParallelOp
    mainloop: scf.ForOp
    a: tile.LoadOp
    weights: tuple[tile.LoadOp, ...]

    @property
    def depth(self) -> int:
        return self.a.access.data.columns[-1].size.value

    @property
    def columns(self) -> int:
        """Columns of a tile."""
        return shape(self.mainloop.results[0])[1]

    def shares_rows(self, other: Gemm) -> bool:
        """Whether both can be segments of one driver call."""
        same_a = self.a.buffer is other.a.buffer and self.a.access == other.a.access
        same_rows = self.loop.rows == other.loop.rows and self.loop.groups is other.loop.groups
        return same_a and same_rows and self.weight_type == other.weight_type

    @property
    def weight_type(self) -> str:
        return tile.element_dtype(self.weights[0].buffer)

    @property
    def is_integer(self) -> bool:
        return tile.element_dtype(self.a.buffer) == self.weight_type == "i8"

    @property
    def sum_type(self) -> str:
        """The C++ type of the sums that the driver hands to the epilogue."""
        return "int32_t" if self.is_integer else "float"


def match(ctx: Context, loop: tile.ParallelOp) -> Gemm | None:
    """The GEMM that a parallel loop is, if it is one that the driver takes."""
    loops = [
        op for op in loop.body.ops if isinstance(op, scf.ForOp) and any(isinstance(i, tile.DotOp) for i in op.walk())
    ]
    if len(loops) != 1 or (loop.batch.data != Dim.of(1) and loop.groups is None):
        return None
    mainloop = loops[0]
    body = [op for op in mainloop.body.block.ops if not tile.is_index(op)]
    loads = [op for op in body if isinstance(op, tile.LoadOp)]
    dots = [op for op in body if isinstance(op, tile.DotOp)]
    terminator = mainloop.body.block.last_op
    carried = mainloop.body.block.args[1:]
    if len(loads) + len(dots) + 1 != len(body) or not 1 <= len(dots) <= 3 or terminator is None:
        return None
    if [d.result for d in dots] != list(terminator.operands) or [d.accumulator for d in dots] != list(carried):
        return None
    a = dots[0].a.owner
    weights = tuple(d.b.owner for d in dots if isinstance(d.b.owner, tile.LoadOp))
    if (
        not isinstance(a, tile.LoadOp)
        or any(d.a is not a.result or d.transposed is None for d in dots)
        or len(weights) != len(dots)
    ):
        return None
    gemm = Gemm(loop, mainloop, a, weights)
    return gemm if _fits(ctx, gemm) else None


def _fits(ctx: Context, gemm: Gemm) -> bool:
    loop, a = gemm.loop, gemm.a
    batch, row, column = loop.body.args
    counter = gemm.mainloop.body.block.args[0]
    depth = a.access.data.columns[-1:]
    if len(a.access.data.columns) != 1 or depth[0].stride != Dim.of(1) or not depth[0].size.is_const:
        return False
    starts = [v.owner.value.value.data if isinstance(v.owner, tile.FillOp) else None for v in gemm.mainloop.iter_args]
    return (
        starts == [0.0] * len(starts)
        and tile.constant_index(gemm.mainloop.lb) == 0
        and tile.constant_index(gemm.mainloop.ub) == depth[0].size.value
        and a.row is row and a.column is counter and a.batch is None
        and ctx.rows_inside(a)
        and (tile.element_dtype(a.buffer) in ("f32", "bf16", "f16") or gemm.is_integer)
        and all(ctx.is_packed(w.buffer) and w.row is column and w.column is counter for w in gemm.weights)
        and all(w.batch is (batch if loop.groups is not None else None) for w in gemm.weights)
        and len({tile.element_dtype(w.buffer) for w in gemm.weights}) == 1
        and gemm.columns % PANEL == 0 and gemm.columns <= MAX_COLUMNS and gemm.columns == loop.tile_shape[1]
        and loop.columns.data.is_const
        and all(_is_row_start(op, row) for op in loop.body.ops if op is not gemm.mainloop)
        and not any(isinstance(i, tile.DotOp) for op in loop.body.ops if op is not gemm.mainloop for i in op.walk())
    )  # fmt: skip


def _is_row_start(op: Operation, row: SSAValue) -> bool:
    """Whether `op` uses the tile's first row, if at all, as that: the driver's slices start at other rows."""
    fits = (tile.LoadOp, tile.StoreOp, tile.IotaOp)
    return all(isinstance(inner, fits) for inner in op.walk() if row in inner.operands)


def emit_gemms(ctx: Context, gemms: Sequence[Gemm]) -> None:
    """One driver call; every GEMM is a segment of it."""
    first = gemms[0]
    out, dim = ctx.out, ctx.symbols.dim
    ctx.begin(first.loop)
    widest = max(g.columns * len(g.weights) for g in gemms)
    chosen = blocking(first.depth, widest, ctx.l2, ctx.per)
    ctx.blocking.append(chosen.reason)
    argument = f"<{ctx.unit}>" if ctx.unit else ""
    ctx.scratch_base = f"ww::gemm_scratch_bytes{argument}({first.depth}, {chosen.depth}, {widest})"
    rows = dim(first.loop.rows.data)
    out(f"// a [{rows}, {first.depth}] . w [{', '.join(str(g.loop.columns.data) for g in gemms)}; {first.depth}]^T")
    ctx.declare_arrays()
    ctx.rows = ctx.names.fresh("rows")
    if first.loop.groups is None:
        _call(ctx, gemms, chosen, rows)
    else:
        group, offsets = ctx.names.fresh("group"), ctx.buffer(first.loop.groups)
        with out.block(f"for (int64_t {group} = 0; {group} < {dim(first.loop.batch.data)}; ++{group})"):
            begin, count = ctx.names.fresh("begin"), ctx.names.fresh("count")
            out(f"const int64_t {begin} = {offsets}[{group}], {count} = {offsets}[{group} + 1] - {begin};")
            out(f"if ({count} <= 0) continue;")
            _call(ctx, gemms, chosen, count, group, begin)
    ctx.end()


def _call(ctx: Context, gemms: Sequence[Gemm], chosen: Blocking, rows: str, group: str = "", begin: str = "") -> None:
    """The driver's call for `rows` rows: all, or those of a group from row `begin` on."""
    first, out = gemms[0], ctx.out
    segments: list[str] = []
    for gemm in gemms:
        epilogue = _epilogue(ctx, gemm, begin)
        weights = ", ".join(_weight(ctx, gemm, w, group) for w in gemm.weights)
        segments.append(f"ww::segment<{gemm.columns}>({gemm.loop.columns.data}, {epilogue}, {weights})")
    ctx.symbols.names[first.a.row] = f"({begin} + m)" if begin else "m"
    ctx.symbols.names[first.a.column] = "0"
    row = access.pointer(ctx, first.a, "0", "0")
    out(f"const auto a_row = [&](int64_t m) {{ return {row}; }};")
    out(f"ww::gemm<{first.depth}, {chosen.depth}>({rows}, a_row, scratch, tid, nt,")
    for i, segment in enumerate(segments):
        out(f"    {segment}{',' if i + 1 < len(segments) else ');'}")


def _weight(ctx: Context, gemm: Gemm, load: tile.LoadOp, group: str) -> str:
    name, dtype = ctx.buffer(load.buffer), tile.element_dtype(load.buffer)
    text = f"reinterpret_cast<const ww::plain<{memory_type(dtype)}>*>({name})" if ctx.packed == "rows" else name
    if not group:
        return text
    shape, _ = packed_type((gemm.loop.columns.data.value, gemm.depth), dtype, ctx.packed)
    return f"{text} + {group} * {math.prod(shape) // ctx.per}"


def _epilogue(ctx: Context, gemm: Gemm, begin: str) -> str:
    """The epilogue as a function of the driver's rows, which count from `begin` where that is given; gives its name, or the
    expression that joins it to its prologue."""
    loop, out = gemm.loop, ctx.out
    _, row, column = loop.body.args
    ctx.loop = loop
    name = ctx.names.fresh("epilogue")
    accumulators = [ctx.names.of(v, "sum") for v in gemm.mainloop.results]
    row_name, column_name = ctx.names.of(row, "row"), ctx.names.of(column, "column")
    ctx.symbols.names[row], ctx.symbols.names[column] = row_name, column_name
    first = ctx.names.fresh("m") if begin else row_name
    parameters = f"int64_t {first}, int64_t {ctx.rows}"
    start = f"const int64_t {row_name} = {begin} + {first};" if begin else ""
    numbers = row_numbers.find(ctx, loop, gemm.mainloop)
    prologue, kept = _prologue(ctx, numbers, parameters, first, start) if numbers.values else ("", {})
    accs = ", ".join(f"const {gemm.sum_type}* {a}" for a in accumulators)
    ops = numbers.rest(_printed(op for op in loop.body.ops if op is not gemm.mainloop))
    head = f"const auto {name} = [&]({parameters}, int64_t {column_name}, int64_t, {accs})"
    with out.block(f"{head} __attribute__((noinline))", "};"):  # two callers, compiled once
        if start:
            out(start)
        ctx.define_indices(loop.body.ops)
        with ctx.ragged(ops):
            printer = RowPrinter(ctx, ops)
            with out.block(f"for (int64_t r = 0; r < {ctx.rows}; ++r)"):
                for value, acc in zip(gemm.mainloop.results, accumulators, strict=True):
                    at = ctx.names.fresh(f"{acc}_r")
                    out(f"const {gemm.sum_type}* {at} = {acc} + r * {gemm.columns};")
                    printer.places[value] = Place(at, True)
                for value, number in kept.items():
                    local = ctx.names.of(value, wish(value))
                    out(f"const {held(tile.element_dtype(value))} {local} = {number};")
                    printer.places[value] = Place(local, False)
                printer.print()
    return f"ww::with_prologue({prologue}, {name})" if prologue else name


def _prologue(
    ctx: Context, numbers: row_numbers.RowNumbers, parameters: str, first: str, start: str
) -> tuple[str, dict[SSAValue, str]]:
    """The prologue, which computes what a block of rows needs once for each row; its name, and where the epilogue finds that."""
    out, name, origin = ctx.out, ctx.names.fresh("prologue"), ctx.names.fresh("origin")
    arrays = {value: ctx.names.fresh(f"{wish(value)}_of") for value in numbers.values}
    for value, array in arrays.items():
        ctx.array(array, held(tile.element_dtype(value)), ROWS)
    out(f"int64_t {origin} = 0;")
    with out.block(f"const auto {name} = [&]({parameters}) __attribute__((noinline))", "};"):
        out(f"{origin} = {first};")
        if start:
            out(start)
        ctx.define_indices(numbers.ops)
        with ctx.ragged(numbers.ops):
            printer = RowPrinter(ctx, _printed(numbers.ops))
            printer.sinks = {value: Place(f"{array}[r]", False) for value, array in arrays.items()}
            with out.block(f"for (int64_t r = 0; r < {ctx.rows}; ++r)"):
                printer.print()
    return name, {value: f"{array}[{first} - {origin} + r]" for value, array in arrays.items()}


def _printed(ops: Iterable[Operation]) -> list[Operation]:
    """Without indices, and what is spelled out where it is used."""
    return [op for op in ops if not tile.is_index(op) and not isinstance(op, VIRTUAL)]
