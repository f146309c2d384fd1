"""Prints a tile.kernel as a Triton module: one function a phase, the programs of a launch divided among the phase's loops."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...ir import locations, tile
from ...ir.dims import Dim
from ...ir.types import BITS
from ..contract import Precision
from ..nvidia.target import GpuTarget
from . import boxes, persistent
from .context import FAULT, PROGRAM, Context
from .expressions import operand, over, rest, sum_of, times
from .products import Products
from .source import Choice, TritonSource
from .text import Scope
from .tiles import Tiles

INPUT_PRECISION: dict[str, str] = {"highest": "ieee", "high": "tf32", "medium": "tf32"}
"""PyTorch's name of the precision of fp32 products → Triton's."""

ONE = Dim.of(1)
BAND = 8  # tiles of rows whose programs take turns at the same tiles of columns, for the L2 cache

HELPERS: dict[str, str] = {
    "ww_floor_div": '''
def ww_floor_div(a, b):
    """The quotient rounded down; Triton's is rounded to zero."""
    return a // b - tl.where((a % b != 0) & ((a % b < 0) != (b < 0)), 1, 0)
''',
    "ww_mod": '''
def ww_mod(a, b):
    """The remainder with the divisor's sign; Triton's has the dividend's."""
    return a % b + tl.where((a % b != 0) & ((a % b < 0) != (b < 0)), b, 0)
''',
    "ww_mod_of_floats": '''
def ww_mod_of_floats(a, b):
    """The remainder with the divisor's sign; C's has the dividend's."""
    rest = libdevice.fmod(a, b)
    return tl.where((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest)
''',
    "ww_floor_div_of_floats": '''
def ww_floor_div_of_floats(a, b):
    """The quotient rounded down, of numbers whose quotient itself may round up (PyTorch's div_floor)."""
    rest = libdevice.fmod(a, b)
    quotient = (a - rest) / b
    quotient = tl.where((rest != 0) & ((b < 0) != (rest < 0)), quotient - 1.0, quotient)
    down = tl.floor(quotient)
    down = tl.where(quotient - down > 0.5, down + 1.0, down)
    return tl.where(b == 0, a / b, tl.where(quotient == 0, a / b * 0.0, down))
''',
    "ww_shl": '''
def ww_shl(a, b):
    """The bits moved up; none are left where they are moved by all of them or more, or by less than none."""
    inside = (b >= 0) & (b < 64)
    return tl.where(inside, a << tl.where(inside, b, 0), 0)
''',
    "ww_shr": '''
def ww_shr(a, b):
    """The bits moved down under copies of the sign."""
    return a >> tl.where((b >= 0) & (b < 64), b, 63)
''',
    "ww_quotient": '''
def ww_quotient(a, b):
    """The quotient rounded to zero."""
    return tl.where(a < 0, -(-a // b), a // b)
''',
    "ww_max": '''
def ww_max(a, b):
    """The larger number; NaN where one is."""
    return tl.maximum(a, b, tl.PropagateNan.ALL)
''',
    "ww_min": '''
def ww_min(a, b):
    """The smaller number; NaN where one is."""
    return tl.minimum(a, b, tl.PropagateNan.ALL)
''',
    "ww_group_rows": '''
def ww_group_rows(entries, slots, tokens, offsets, group, count, top_k: tl.constexpr):
    """A group of a stable sort: its first row, and the positions of its entries (and these / top_k) from there."""
    row = tl.cast(0, tl.int64)
    for start in range(0, count, 1024):
        at = start + tl.arange(0, 1024)
        entry = tl.load(entries + at, mask=at < count, other=2**62)
        row += tl.sum((entry < group).to(tl.int64), 0)
    tl.store(offsets + group, row)
    for start in range(0, count, 1024):
        at = start + tl.arange(0, 1024)
        mine = (tl.load(entries + at, mask=at < count, other=-1) == group).to(tl.int64)
        place = row + tl.cumsum(mine, 0) - 1
        tl.store(slots + place, at.to(tl.int64), mask=mine == 1)
        tl.store(tokens + place, (at // top_k).to(tl.int64), mask=mine == 1)
        row += tl.sum(mine, 0)
''',
    "ww_is_outside": '''
def ww_is_outside(number, index, entries, extent, fault):
    """Whether one of the entries lies outside [0, extent); the first program writes down which look-up and what it is."""
    first = tl.cast(entries, tl.int32)
    for start in range(0, entries, 1024):
        at = start + tl.arange(0, 1024)
        entry = tl.load(index + at, mask=at < entries, other=0)
        wrong = (at < entries) & ((entry < 0) | (entry >= extent))
        first = tl.minimum(first, tl.min(tl.where(wrong, at, entries), 0))
    if (first < entries) & (tl.program_id(0) == 0):
        tl.store(fault, number)
        tl.store(fault + 1, tl.load(index + first).to(tl.int64))
        tl.store(fault + 2, extent)
    return first < entries
''',
}
"""Small functions that kernels call, name → text."""


def emit(
    kernel: tile.KernelOp,
    target: GpuTarget,
    choice: Choice | None = None,
    *,
    precision: Precision = "highest",
    multiples: frozenset[str] = frozenset(),
) -> TritonSource:
    """Triton source for a kernel. Packed weights are read as they lie, [N, K]. `precision` is PyTorch's for fp32 products.
    `multiples`: symbols that are multiples of 16, and not 0, at every launch.

    Raises UnsupportedKernelError with the op that it cannot print.
    """
    chosen = choice or _default(kernel, target)
    products = Products(kernel)
    ctx, name = Context(kernel, INPUT_PRECISION[precision]), kernel.sym_name.data
    if chosen.tma and target.has_tma:
        why_not = boxes.refusals(kernel, ctx.layouts, products, multiples)
        ctx.boxes = frozenset(op for op, refusal in why_not.items() if refusal is None)
    functions: list[str] = []
    entries: list[str] = []
    grids: list[str] = []
    for number, phase in enumerate(kernel.phases):
        tiles = _programs(phase)
        walks = chosen.persistent and persistent.why_not_phase(phase) is None
        entries.append(f"{name}_phase{number}" if number else name)
        functions.append(_phase(ctx, products, entries[-1], phase, tiles if walks else None))
        grids.append(str(tiles.min(target.sms) if walks else tiles))
    return TritonSource(
        name,
        _module(kernel, functions),
        tuple(entries),
        tuple(ctx.parameters),
        tuple(grids),
        kernel.lookup_buffers,
        chosen.num_warps,
        chosen.num_stages,
    )


def _default(kernel: tile.KernelOp, target: GpuTarget) -> Choice:
    """Warps for the largest product, and as many stages as shared memory holds."""
    dots = [op for op in kernel.walk() if isinstance(op, tile.DotOp)]
    largest = max((rows * columns for rows, columns in (tile.tile_shape(op.result) for op in dots)), default=0)
    stage = max((sum(_bytes(v) for v in (op.a, op.b)) for op in dots), default=1)
    return Choice(8 if largest >= 64 * 128 else 4, max(1, min(4, target.smem_per_block // stage)))


def _bytes(value: SSAValue) -> int:
    """The shared memory that an operand of a product takes."""
    rows, columns = tile.tile_shape(value)
    memory = tile.element_dtype(value.owner.buffer if isinstance(value.owner, tile.LoadOp) else value)
    return rows * columns * BITS[memory] // 8


# ---- functions -----------------------------------------------------------------------------------------------------


def _phase(ctx: Context, products: Products, name: str, loops: Sequence[tile.ParallelOp], walked: Dim | None) -> str:
    """`walked`: how many tiles its programs walk over; None where each has one."""
    ctx.begin()
    scope = ctx.scope
    for number, (index, entries, extent) in enumerate(ctx.kernel.lookups, 1):
        arguments = (str(number), ctx.buffer(index), ctx.dim(entries), ctx.dim(extent), FAULT)
        found = ctx.scope.inner()
        found("return")
        scope.close(f"if ww_is_outside({', '.join(arguments)}):", found)
    scope(f"{PROGRAM} = tl.program_id(0)")
    scope.declare(PROGRAM)
    if walked is not None:
        _walk(ctx, products, loops[0], walked)
    elif len(loops) == 1:
        _loop(ctx, products, loops[0], PROGRAM)
    else:
        _divided(ctx, products, loops)
    parameters = ", ".join(parameter.name for parameter in ctx.parameters)
    return "\n".join(["@triton.jit", f"def {name}({parameters}):", *(f"    {line}" for line in scope.lines), ""])


def _walk(ctx: Context, products: Products, loop: tile.ParallelOp, tiles: Dim) -> None:
    """The tiles of a loop one after the other, as many apart as there are programs."""
    scope, number = ctx.scope, ctx.names.fresh("tile")
    ctx.scope = inner = scope.inner()
    inner.declare(number)
    _loop(ctx, products, loop, number)
    ctx.scope = scope
    scope.close(f"for {number} in tl.range({PROGRAM}, {ctx.dim(tiles)}, tl.num_programs(0), flatten=True):", inner)


def _divided(ctx: Context, products: Products, loops: Sequence[tile.ParallelOp]) -> None:
    """The first programs take the tiles of the first loop, and so on."""
    scope, begin, branches = ctx.scope, "0", list[tuple[str, Scope]]()
    for number, loop in enumerate(loops):
        ctx.scope = inner = scope.inner()
        program = PROGRAM if number == 0 else inner.let("tile", f"{PROGRAM} - {begin}")
        if number < len(loops) - 1:
            begin = scope.let("end", ctx.dim(_programs(loops[: number + 1])))
        head = "else:" if number == len(loops) - 1 else f"{'elif' if number else 'if'} {PROGRAM} < {begin}:"
        _loop(ctx, products, loop, program)
        branches.append((head, inner))
    ctx.scope = scope
    for head, inner in branches:
        scope.close(head, inner)


def _loop(ctx: Context, products: Products, loop: tile.ParallelOp, program: str) -> None:
    """The tile of a loop that a program computes."""
    scope = ctx.scope
    (tm, tn), (batch, row, column) = loop.tile_shape, loop.body.args
    rows, columns = loop.rows.data.ceil_div(tm), loop.columns.data.ceil_div(tn)
    row_tiles, column_tiles = ctx.dim(rows), ctx.dim(columns)
    if loop.batch.data == ONE and ONE not in (rows, columns) and any(isinstance(op, tile.DotOp) for op in loop.walk()):
        batch_index, (row_tile, column_tile) = "0", _banded(scope, program, row_tiles, column_tiles)
    else:
        column_tile = _part(program, columns, column_tiles, [loop.batch.data, rows])
        left = over(program, column_tiles)
        row_tile = _part(left, rows, row_tiles, [loop.batch.data])
        batch_index = _part(over(left, row_tiles), loop.batch.data, "", [])
    for value, wish, text in (
        (batch, "batch", batch_index), (row, "row", times(row_tile, str(tm))), (column, "column", times(column_tile, str(tn))),
    ):  # fmt: skip
        ctx.indices[value] = scope.pure(wish, text)
    if loop.groups is None:
        Tiles(ctx, products).block(loop.body)
    else:
        _group(ctx, products, loop, loop.groups)


def _group(ctx: Context, products: Products, loop: tile.ParallelOp, groups: SSAValue) -> None:
    """The body for the tile's rows of its group; nothing where the group has none there."""
    scope, (batch, row, _) = ctx.scope, loop.body.args
    place = sum_of([ctx.buffer(groups), ctx.index(batch)])
    begin = scope.let("begin", f"tl.load({place}).to(tl.int32)")
    ctx.row_ends[row] = end = scope.let("end", f"tl.load({place} + 1).to(tl.int32)")
    ctx.indices[row] = first = scope.let("first", sum_of([begin, ctx.index(row)]))
    ctx.scope = inner = scope.inner()
    Tiles(ctx, products).block(loop.body)
    ctx.scope = scope
    scope.close(f"if {first} < {end}:", inner)


def _part(number: str, size: Dim, size_text: str, outer: Sequence[Dim]) -> str:
    """The index along the fastest axis of a number over axes; `outer`: the sizes of the others."""
    if size == ONE:
        return "0"
    return number if all(other == ONE for other in outer) else rest(number, size_text)


def _banded(scope: Scope, program: str, row_tiles: str, column_tiles: str) -> tuple[str, str]:
    """(row tile, column tile): down a band of a few row tiles, then on to the next column."""
    band = scope.let("band", f"{program} // ({BAND} * {operand(column_tiles)})")
    height = scope.let("height", f"tl.minimum({operand(row_tiles)} - {band} * {BAND}, {BAND})")
    place = scope.let("place", f"{program} % ({BAND} * {operand(column_tiles)})")
    return f"({band} * {BAND} + {place} % {height})", f"({place} // {height})"


def _programs(loops: Sequence[tile.ParallelOp]) -> Dim:
    """The number of tiles of the loops."""
    total = Dim()
    for loop in loops:
        tm, tn = loop.tile_shape
        total = total + loop.batch.data * loop.rows.data.ceil_div(tm) * loop.columns.data.ceil_div(tn)
    return total


def _module(kernel: tile.KernelOp, functions: Sequence[str]) -> str:
    modules = list(dict.fromkeys(m for op in kernel.walk() for m in locations.modules(op)))
    head = f"# {kernel.sym_name.data} ({kernel.kind.data})" + (f": {', '.join(modules)}" if modules else "")
    body = "\n\n".join(functions)
    helpers = [f"@triton.jit{text}" for name, text in HELPERS.items() if re.search(rf"\b{name}\b", body)]
    imports = ["import triton", "import triton.language as tl"]
    imports += ["from triton.language.extra import libdevice"] if "libdevice." in "\n".join([*helpers, body]) else []
    return "\n".join([head, *imports, "", "", "\n\n".join([*helpers, body])])
