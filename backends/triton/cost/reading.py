"""Reads `Work` off a tile program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import lcm, prod
from statistics import mean
from typing import Any

from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from ....ir import tile
from ....ir.dims import Dim
from ....ir.types import BITS
from .. import boxes, persistent
from ..lanes import Layouts
from ..products import Products
from .work import ONE, Arithmetic, Axis, Extent, Loop, Move, Product, Shape, Walk, Work

_SAMPLES, _ROW_SAMPLES = 128, 16  # tiles looked at, in all and along rows; no bound depends on the column


def work_of(
    kernel: tile.KernelOp, sizes: Mapping[str, int], position: int = 0, multiples: frozenset[str] = frozenset()
) -> Work:
    """Of `kernel` with its symbols bound to `sizes`. Every integer that it reads from a buffer (a cache position, a
    length) is `position`. `multiples`: symbols as `boxes.sixteens` names them."""
    why_not = boxes.refusals(kernel, Layouts(kernel), Products(kernel), multiples)
    boxed = frozenset(op for op, refusal in why_not.items() if refusal is None)
    phases = tuple(tuple(_Reader(loop, sizes, position, boxed).walk for loop in phase) for phase in kernel.phases)
    return Work(kernel.sym_name.data, kernel.kind.data, phases, persistent.why_not(kernel) is None)


def works_of(module: ModuleOp, sizes: Mapping[str, int], position: int = 0) -> list[Work]:
    """Of every launch of a tile module, in order. `sizes`: of the symbols that its launches are given, `num_threads`
    among them: what a CPU's threads are to a kernel, a GPU's SMs are."""
    kernels = {op.sym_name.data: op for op in module.ops if isinstance(op, tile.KernelOp)}
    found: list[Work] = []
    for launch in (op for op in module.walk() if isinstance(op, tile.LaunchOp)):
        kernel = kernels[launch.kernel.string_value()]
        dims = [dim.data for dim in launch.dims]
        values = [dim.evaluate(sizes) for dim in dims]
        symbols = dict(zip((s.data for s in kernel.symbols), values, strict=True))
        found.append(work_of(kernel, symbols, position, boxes.sixteens(kernel, [dims])))
    return found


ALU_COSTS: dict[str, tuple[float, float]] = {
    "div": (8, 1), "reciprocal": (4, 1), "floor_div": (8, 1), "mod": (10, 1), "pow": (24, 2),
    "exp": (2, 1), "exp2": (1, 1), "softmax_exp2": (1, 1), "log": (4, 1), "sqrt": (4, 1), "rsqrt": (2, 1),
    "sin": (20, 1), "cos": (20, 1), "tanh": (12, 2), "erf": (22, 1), "sigmoid": (5, 2), "silu": (6, 2),
    "gelu": (26, 1), "gelu_tanh": (18, 2), "softplus": (10, 2),
}  # fmt: skip
"""(ordinary, special-function) instructions an element: what ptxas makes of each, about; one ordinary for all others."""
_ROPE = (6.0, 0.0)
_REDUCE = (1.5, 0.0)  # the adds, and the shuffles of the last few


class _Places:
    """A buffer of integers all of which are one number."""

    def __init__(self, value: int):
        self.value = value

    def __getitem__(self, _: int) -> int:
        return self.value


class _Reader:
    """Reads one `tile.parallel` into `walk`."""

    def __init__(
        self, op: tile.ParallelOp, sizes: Mapping[str, int], position: int, boxed: frozenset[tile.LoadOp]
    ) -> None:
        from ....ir.reference_tile import Interpreter

        self.sizes = sizes
        self.op = op
        self.boxed = boxed
        batch, rows, columns = (self.size(d.data) for d in (op.batch, op.rows, op.columns))
        rows = rows if op.groups is None else -(-rows // max(batch, 1))  # as if the groups were alike
        self.walk = Walk(batch, rows, columns, op.tile_shape)
        self.axes: dict[SSAValue, Axis] = {op.body.args[1]: "rows", op.body.args[2]: "columns"}
        self.shapes: dict[SSAValue, Shape] = {}
        self.steps: dict[int | None, int] = {}
        self.bounds: dict[Operation, list[tuple[int, int, int]]] = {}
        for index in self.samples():
            places: dict[SSAValue, Any] = {
                load.buffer: _Places(position) for load in op.walk() if isinstance(load, tile.LoadIndexOp)
            }
            interpreter: Any = Interpreter(sizes, None, places)  # pyright: ignore[reportArgumentType]
            self.follow(op.body, index, interpreter)
        self.read(op.body, None)

    def size(self, dim: Dim) -> int:
        return dim.evaluate(self.sizes)

    # ---- how often loops run -----------------------------------------------------------------------------------

    def samples(self) -> list[tuple[int, int, int]]:
        """Some tiles of the domain, evenly spread."""
        rows = _spread(self.walk.rows, self.walk.tile[0], _ROW_SAMPLES)
        batches = _spread(self.walk.batch, 1, _SAMPLES // max(len(rows), 1))
        return [(batch, row, 0) for batch in batches for row in rows]

    def follow(self, block: Block, args: tuple[int, ...], interpreter: Any) -> None:
        """The indices of one tile; notes the bounds of each loop."""
        interpreter.values.update(zip(block.args, args, strict=False))
        for op in block.ops:
            if isinstance(op, scf.ForOp):
                low, high, step = (interpreter.values[v] for v in op.operands[:3])
                self.bounds.setdefault(op, []).append((low, high, step))
                self.follow(op.body.block, (low,), interpreter)
            elif op.name.startswith("arith.") or isinstance(op, tile.SizeOp | tile.LoadIndexOp):
                interpreter.op(op)

    # ---- what happens in a tile --------------------------------------------------------------------------------

    def read(self, block: Block, loop: int | None) -> None:
        for op in block.ops:
            match op:
                case scf.ForOp():
                    self.loop(op)
                case tile.LoadOp():
                    self.load(op, loop)
                case tile.StoreOp():
                    self.store(op, loop)
                case tile.DotOp():
                    self.dot(op, loop)
                case tile.TileOp():
                    self.compute(op, loop)
                case _ if op.results and op.operands:
                    self.axes.update({op.results[0]: self.axis(*op.operands)})
                case _:
                    pass

    def loop(self, op: scf.ForOp) -> None:
        bounds = self.bounds[op]
        ran = [(low, high) for low, high, _ in bounds if high > low] or [(0, 0)]
        lows, highs = zip(*ran, strict=True)
        length = sum(highs) - sum(lows)
        number = len(self.walk.loops)
        self.walk.loops.append(Loop(length / len(bounds), mean(lows), mean(highs), min(lows), max(highs), bounds[0][2]))
        self.steps[number] = bounds[0][2]
        body = op.body.block
        self.axes[body.args[0]] = "inner"
        for arg, start in zip(body.args[1:], op.operands[3:], strict=True):
            self.shapes[arg] = self.shape(start, number)
        self.read(body, number)
        last = body.last_op
        assert last is not None
        for result, value in zip(op.results, last.operands, strict=True):
            self.shapes[result] = self.shape(value, number)
        carried = tuple(self.shapes[result] for result in op.results)
        self.walk.loops[number] = replace(self.walk.loops[number], carried=carried)

    def load(self, op: tile.LoadOp, loop: int | None) -> None:
        shape = self.extents(tile.tile_shape(op.result), op.row, op.column, loop)
        self.shapes[op.result] = shape
        feeds = all(isinstance(use.operation, tile.DotOp) for use in op.result.uses)
        self.move(op, shape, loop, store=False, feeds=feeds)
        if not feeds:
            self.count(shape, (1, 0), loop)  # conversion to f32

    def store(self, op: tile.StoreOp, loop: int | None) -> None:
        shape = self.extents(tile.tile_shape(op.value), op.row, op.column, loop)
        self.move(op, shape, loop, store=True, feeds=False)
        self.count(shape, (1, 0), loop)

    def move(self, op: tile.LoadOp | tile.StoreOp, shape: Shape, loop: int | None, *, store: bool, feeds: bool) -> None:
        buffer, type_, access = op.buffer, op.buffer.type, op.access.data
        assert isinstance(buffer, BlockArgument)
        assert isinstance(type_, tile.BufferType)
        batches = self.distinct(access.batch) if op.batch is not None else (1, 1)
        parts = [self.distinct(access.rows), self.distinct(access.columns)]
        distinct = prod(different / total for different, total in parts)
        item = BITS[type_.dtype] / 8
        boxed = op in self.boxed
        self.walk.moves.append(Move(buffer.index, shape, item, store, loop, batches[0], distinct, feeds, boxed))

    def distinct(self, axes: tuple[tile.Axis, ...]) -> tuple[int, int]:
        """(different elements, steps) of a group of axes."""
        sizes = [(max(self.size(a.size), 1), self.size(a.stride) != 0) for a in axes]
        return prod(n for n, moves in sizes if moves), prod(n for n, _ in sizes)

    def dot(self, op: tile.DotOp, loop: int | None) -> None:
        (m, k), b = self.shape(op.a, loop), self.shape(op.b, loop)
        n = b[0] if op.transposed is not None else b[1]
        self.shapes[op.result] = (m, n)
        stored = [v.owner.buffer.type for v in (op.a, op.b) if isinstance(v.owner, tile.LoadOp)]
        dtypes = sorted((t.dtype for t in stored if isinstance(t, tile.BufferType)), key=BITS.__getitem__)
        made = op.a.owner
        passed = isinstance(made, Operation) and not isinstance(made, tile.LoadOp) and made.parent is op.parent
        self.walk.products.append(Product(m, n, k, dtypes[0] if dtypes else "f32", loop, passed))

    def compute(self, op: tile.TileOp, loop: int | None) -> None:
        known = [self.shape(v, loop) for v in op.operands if v in self.shapes]
        shape = self.result(op, known, loop)
        self.shapes[op.result] = shape
        match op:
            case tile.PointwiseOp():
                self.count(shape, ALU_COSTS.get(op.kind.data, (1, 0)), loop)
            case tile.ReduceOp():
                self.count(known[0] if known else shape, _REDUCE, loop)
                self.walk.group = lcm(self.walk.group, op.group.data if op.group is not None else 1)
            case tile.RopeOp():
                self.count(shape, _ROPE, loop)
                self.walk.group = lcm(self.walk.group, op.head.data)
            case tile.ConvertOp():
                self.count(shape, (1, 0), loop)
            case _:
                pass

    def result(self, op: tile.TileOp, known: list[Shape], loop: int | None) -> Shape:
        """The extents of a result: of the operand that has that many rows (columns), scaled where the op scales them."""
        rows, columns = tile.tile_shape(op.result)
        row = next((s[0] for s in known if s[0] != ONE), ONE) if rows > 1 else ONE
        if columns == 1:
            return row, ONE
        wide = next((s[1] for s in known if s[1] != ONE), ONE)
        operand = max((tile.tile_shape(v)[1] for v in op.operands if v in self.shapes), default=columns)
        column = Extent(wide.axis, wide.factor * columns / operand) if wide != ONE else self.guess(columns, 1, loop)
        return (row if row != ONE or rows == 1 else self.guess(rows, 0, loop)), column

    def count(self, shape: Shape, cost: tuple[float, float], loop: int | None) -> None:
        self.walk.arithmetic.append(Arithmetic(shape, cost[0], cost[1], loop))

    # ---- which axis a size belongs to --------------------------------------------------------------------------

    def axis(self, *values: SSAValue) -> Axis:
        """The axis that an index is computed from."""
        found: list[Axis] = [self.axes[v] for v in values if self.axes.get(v, "fixed") != "fixed"]
        return found[0] if found else "fixed"

    def extents(self, shape: tuple[int, int], row: SSAValue, column: SSAValue, loop: int | None) -> Shape:
        rows, columns = (self.extent(n, self.axis(v), loop) for n, v in zip(shape, (row, column), strict=True))
        return rows, columns

    def extent(self, size: int, axis: Axis, loop: int | None) -> Extent:
        unit = {"rows": self.walk.tile[0], "columns": self.walk.tile[1], "inner": self.steps.get(loop, 0)}.get(axis, 0)
        return Extent(axis, size / unit) if size > 1 and unit > 0 else Extent("fixed", float(size))

    def shape(self, value: SSAValue, loop: int | None) -> Shape:
        if value not in self.shapes:
            rows, columns = tile.tile_shape(value)
            return self.guess(rows, 0, loop), self.guess(columns, 1, loop)
        return self.shapes[value]

    def guess(self, size: int, dim: int, loop: int | None) -> Extent:
        """Of a constant tile: the axis that has its size."""
        axis: Axis = ("rows", "columns")[dim]
        if size > 1 and size == self.walk.tile[dim]:
            return self.extent(size, axis, loop)
        return self.extent(size, "inner" if size == self.steps.get(loop) else "fixed", loop)


def _spread(size: int, step: int, count: int) -> list[int]:
    """At most `count` of the starts of tiles: the first, the last, and some between."""
    starts = range(0, size, step)
    chosen = [round(i * (len(starts) - 1) / max(count - 1, 1)) for i in range(count)]
    return [starts[i] for i in dict.fromkeys(chosen)] if starts else []
