"""Loads by the tensor memory accelerator: which may be, and how they are printed.

A descriptor states a matrix in memory: where it begins, its rows and columns, the stride of a row. A load names the first row
and column of a box of it, which arrives in shared memory with zeros beyond the matrix: no thread computes an address or a
mask. A kernel makes its descriptors itself, in scratch memory that its launch provides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ...ir import tile
from ...ir.dims import Dim
from ...ir.ledger import Refusal
from ...ir.types import BITS
from . import access
from .context import Context
from .expressions import sum_of
from .lanes import Layouts
from .products import Products

RULE = "triton-boxes"
BYTES = 16
"""A matrix, each of its rows, and each box within its row begin on a multiple of it."""
LARGEST = 256
"""Rows or columns of a box."""


def sixteens(kernel: tile.KernelOp, launches: Iterable[Sequence[Dim]]) -> frozenset[str]:
    """The kernel's symbols that are multiples of 16, and not 0, at each of these launches."""
    symbols = [symbol.data for symbol in kernel.symbols]
    found = [{name for name, dim in zip(symbols, dims, strict=True) if _is_sixteens(dim)} for dims in launches]
    return frozenset(set[str].intersection(*found)) if found else frozenset()


def launched(kernel: tile.KernelOp) -> list[list[Dim]]:
    """The sizes that each launch of the kernel's module gives it."""
    module, name = kernel.parent_op(), kernel.sym_name.data
    launches = (op for op in (module.walk() if module else ()) if isinstance(op, tile.LaunchOp))
    return [[dim.data for dim in op.dims] for op in launches if op.kernel.string_value() == name]


def refusals(
    kernel: tile.KernelOp, layouts: Layouts, products: Products, multiples: frozenset[str]
) -> dict[tile.LoadOp, Refusal | None]:
    """Of every load whose tile goes into a product: why it can be no box, or None. `multiples`: symbols that `sixteens`
    names."""
    loads = [op for op in kernel.walk() if isinstance(op, tile.LoadOp) and products.readers(op.result)]
    return {op: next(_refusals(op, layouts, multiples), None) for op in loads}


def load(ctx: Context, op: tile.LoadOp) -> str:
    """The box, all of its lanes: those beyond the matrix hold zeros."""
    walked = op.access.data.normalised()
    (rows,), (columns,) = walked.rows, walked.columns
    base = sum_of([ctx.buffer(op.buffer), access.start_of(ctx, op)])
    shape, stride = f"[{ctx.dim(rows.size)}, {ctx.dim(columns.size)}]", ctx.dim(rows.stride)
    box = ", ".join(map(str, ctx.layouts.shape(op.result)))
    made = f"tl.make_tensor_descriptor({base}, {shape}, [{stride}, 1], [{box}])"
    matrix = ctx.scope.pure(f"{ctx.buffer(op.buffer)}_boxes", made)
    return f"{matrix}.load([{_position(ctx, op.row)}, {_position(ctx, op.column)}])"


def _refusals(op: tile.LoadOp, layouts: Layouts, multiples: frozenset[str]) -> Iterator[Refusal]:
    walked, dtype = op.access.data.normalised(), tile.element_dtype(op.buffer)
    if not isinstance(op.parent_op(), scf.ForOp):
        yield Refusal("it is loaded once a tile: making a descriptor takes longer", "a loop over its tiles")
    if not tile.exact_dtype(op.result):
        yield Refusal(f"{dtype} numbers do not go into tensor cores as they lie", "16-bit numbers, or int8")
    if op.index is not None:
        yield Refusal("its rows are looked up", "rows at one distance from each other")
    if len(walked.rows) != 1 or len(walked.columns) != 1 or walked.columns[0].stride != Dim.of(1):
        yield Refusal("it is no matrix whose rows lie at one distance, their numbers side by side", "another layout")
    (rows,), (columns,) = walked.rows, walked.columns
    unit = 8 * BYTES // BITS[dtype]
    steps = [rows.stride, walked.offset, *(axis.stride for axis in walked.batch)]
    unknown = next((step for step in steps if not _is_multiple(step, unit, multiples)), None)
    if unknown is not None:
        yield Refusal(f"a step of {unknown} elements is not known to be a multiple of {BYTES} bytes", "sizes that are")
    if rows.stride.is_const and rows.stride.value <= 0:
        yield Refusal("its rows do not follow each other", "rows of their own")
    if tile.alignment(op.column) % unit:
        yield Refusal(f"its boxes begin at any column, not on {BYTES} bytes", f"steps of {unit} columns")
    loop = _loop_of(op)
    if loop.groups is not None and _comes_from(op.row, lambda value: value is loop.body.args[1]):
        yield Refusal("its rows end where a group does", "one group")
    down, across = layouts.shape(op.result)
    if down == 1 or across < unit or max(down, across) > LARGEST:
        yield Refusal(f"a box of {down} x {across}", f"2 to {LARGEST} rows, {unit} to {LARGEST} columns")
    for axis, start, size in ((0, op.row, rows.size), (1, op.column, columns.size)):
        lanes = layouts[op.result, axis]
        all_of_it = lanes.count == 1 and tile.constant_index(start) == 0 and size == Dim.of(lanes.length)
        if not lanes.is_whole and not all_of_it:
            yield Refusal("numbers beyond the tile would come into its padding", "tiles of powers of two")


def _is_sixteens(dim: Dim) -> bool:
    return bool(dim.terms) and all(coefficient > 0 and coefficient % 16 == 0 for _, coefficient in dim.terms)


def _is_multiple(dim: Dim, of: int, multiples: frozenset[str]) -> bool:
    return all(c % of == 0 or any(atom in multiples for atom in monomial) for monomial, c in dim.terms)


def _loop_of(op: Operation) -> tile.ParallelOp:
    parent = op.parent_op()
    assert parent is not None
    return parent if isinstance(parent, tile.ParallelOp) else _loop_of(parent)


def _position(ctx: Context, value: SSAValue) -> str:
    """An index in 32 bits."""
    text = ctx.index(value)
    wide = _comes_from(value, lambda value: isinstance(value.owner, tile.LoadIndexOp))
    return f"tl.cast({text}, tl.int32)" if wide else text


def _comes_from(value: SSAValue, is_source: Callable[[SSAValue], bool]) -> bool:
    """Whether an index is computed from a source."""
    owner = value.owner
    if is_source(value):
        return True
    if not isinstance(owner, Block):
        return any(_comes_from(operand, is_source) for operand in owner.operands)
    loop = owner.parent_op()
    return isinstance(loop, scf.ForOp) and any(_comes_from(v, is_source) for v in (loop.lb, loop.ub, loop.step))
