"""Loads and stores of global memory by the threads that hold a tile.

A tile's rows are addressed by `ww::rows`: for each of a thread's rows whether it lies inside, and its address. Columns then
go in pairs where pairs are aligned and lie inside or outside together, else one by one, wherever they lie. Where that
depends on strides that are known at the launch only, the kernel holds both and asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.ir import SSAValue

from ....ir import aref, tile
from ....ir.dims import Dim, product
from ...cpu.expressions import UnsupportedKernelError, held, sum_of
from .context import Context


def load(ctx: Context, op: tile.LoadOp, name: str) -> None:
    """Prints the declaration of `name`, the registers of the tile."""
    layout, element = ctx.layouts.of(op.result), held(tile.element_dtype(op.result))
    if layout.kind == "scalar":
        ctx.out(f"const {element} {name} = {element}(ww::load({_element(ctx, op, '0')}));")
        return
    ctx.out(f"{element} {name}[{layout.count}];")
    if layout.kind == "columns":
        ctx.out(f"ww::load_columns<{layout.columns}>({_columns(ctx, op)}, {_row_start(ctx, op)}, {name});")
    else:
        _by_rows(ctx, op, "load", name)


def store(ctx: Context, op: tile.StoreOp, registers: str) -> None:
    """Prints the store of a tile that lies in `registers`."""
    layout = ctx.layouts.of(op.value)
    if layout.kind in ("scalar", "columns"):
        raise UnsupportedKernelError(f"a store of {op.value.type}: no thread owns it alone")
    _by_rows(ctx, op, "store", registers)


def slot_source(ctx: Context, op: aref.CopyOp) -> str:
    """What `ww::copy_slot` wants to know of memory: how many rows and columns of the tile lie inside, and where row r begins."""
    start = ctx.symbols.index(op.row)
    column = ctx.walk(op.access.data.columns, ctx.symbols.index(op.column))
    row = sum_of(ctx.start(op) + ctx.walk(op.access.data.rows, sum_of([start, "r"])) + column)
    return f"{_row_limit(ctx, op)}, {_limit(ctx, op)}, [&](int64_t r) {{ return {row}; }}"


def _by_rows(ctx: Context, op: tile.MemoryOp, verb: str, registers: str) -> None:
    """The call, or two of which the strides choose one."""
    layout, rows = ctx.layouts.of(tile.tile_of(op)), _rows(ctx, op)
    if layout.kind == "rows":
        ctx.out(f"ww::{verb}_rows({rows}, {registers});")
        return
    arguments = f"<{layout.columns}>({rows}, {_columns(ctx, op)}, {registers});"
    if layout.kind != "spread" or not _may_pair(op):
        ctx.out(f"ww::{verb}_{layout.kind}{arguments}")
        return
    asked = " && ".join(f"{ctx.symbols.dim(dim)} % 2 == 0" for dim in _doubtful(op))
    if not asked:
        ctx.out(f"ww::{verb}_pairs{arguments}")
        return
    ctx.out(f"if ({asked}) ww::{verb}_pairs{arguments}")
    ctx.out(f"else ww::{verb}_spread{arguments}")


def _rows(ctx: Context, op: tile.MemoryOp) -> str:
    """`ww::rows` of the thread's rows: how many of the tile lie inside, and the address of row r."""
    access, start = op.access.data, ctx.symbols.index(op.row)
    looked_up = (
        (access.gather.axis, ctx.buffers[op.index]) if access.gather is not None and op.index is not None else None
    )
    terms = ctx.start(op) + ctx.walk(access.rows, sum_of([start, "r"]), looked_up)
    if ctx.layouts.of(tile.tile_of(op)).kind == "rows":
        terms += ctx.walk(access.columns, ctx.symbols.index(op.column))
    return f"ww::rows(lane_row, {_row_limit(ctx, op)}, [&](int64_t r) {{ return {sum_of(terms)}; }})"


def _columns(ctx: Context, op: tile.MemoryOp) -> str:
    """How many of the tile's columns lie inside, and the offset of column c."""
    start = ctx.symbols.index(op.column)
    walked = sum_of(ctx.walk(op.access.data.columns, sum_of([start, "c"])))
    return f"{_limit(ctx, op)}, [&](int64_t c) {{ return {walked}; }}"


def _limit(ctx: Context, op: tile.MemoryOp | aref.CopyOp) -> str:
    return _inside(ctx, op.access.data.columns, op.column)


def _row_limit(ctx: Context, op: tile.MemoryOp | aref.CopyOp) -> str:
    return _inside(ctx, op.access.data.rows, op.row)


def _inside(ctx: Context, axes: Sequence[tile.Axis], first: SSAValue) -> str:
    """How many positions from the first on lie inside the axes."""
    size, start = ctx.symbols.dim(product([axis.size for axis in axes])), ctx.symbols.index(first)
    return size if start == "0" else f"{size} - {start}"


def _row_start(ctx: Context, op: tile.MemoryOp) -> str:
    return sum_of(ctx.start(op) + ctx.walk(op.access.data.rows, ctx.symbols.index(op.row)))


def _element(ctx: Context, op: tile.MemoryOp, column: str) -> str:
    start = sum_of([ctx.symbols.index(op.column), column])
    return f"{_row_start(ctx, op)} + {sum_of(ctx.walk(op.access.data.columns, start))}"


# ---- pairs ---------------------------------------------------------------------------------------------------------


def _may_pair(op: tile.MemoryOp) -> bool:
    """Whether columns 2 n and 2 n + 1 lie side by side and inside or outside together, aligned to two elements if all that is
    `_doubtful` is even."""
    columns = op.access.data.columns
    if not columns or columns[-1].stride != Dim.of(1) or not _is_even(columns[-1].size):
        return False
    wide_enough = tile.element_dtype(op.buffer) in ("bf16", "f16", "f32")
    known_odd = any(dim.is_const for dim in _doubtful(op))
    return wide_enough and not known_odd and tile.alignment(op.column) % 2 == 0


def _doubtful(op: tile.MemoryOp) -> list[Dim]:
    """The strides and the offset, each once, that are not even whatever the sizes are."""
    return list(dict.fromkeys(dim for dim in _steps(op.access.data) if not _is_even(dim)))


def _steps(access: tile.Access) -> Iterator[Dim]:
    yield from (axis.stride for axis in (*access.batch, *access.rows, *access.columns[:-1]))
    yield access.offset


def _is_even(dim: Dim) -> bool:
    return all(coefficient % 2 == 0 for _, coefficient in dim.terms)
