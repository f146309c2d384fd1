"""Tile kernels: sweeps over rows × columns with all kinds of accesses, row reductions, products with a loop over K."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from xdsl.builder import ImplicitBuilder
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, ModuleOp
from xdsl.ir import Attribute, Block, SSAValue

from ... import tile
from ...dims import Dim
from ...reference import TORCH_DTYPES
from ...tile import Access, BufferType, Gather, KernelOp, axes, tile_type
from ...types import DTYPES
from .norms import ACTIVATIONS
from .source import Source, near, pick, sometimes
from .steps import BINARY, REDUCTIONS

Carry = Callable[[SSAValue, Sequence[SSAValue]], Sequence[SSAValue]]
READS = ("dense", "transposed", "row", "column", "gapped", "gathered", "batched")
"""How an operand lies: as [rows, columns], its transpose, one row, one column, rows with gaps, rows chosen by an index."""


@dataclass(frozen=True)
class TileOp:
    """One pointwise op on tiles made before, latest first."""

    kind: int = 0
    of: int = 0
    other: int = 1

    @staticmethod
    def draw(source: Source) -> TileOp:
        return TileOp(source.below(len(ACTIVATIONS) + len(BINARY)), source.below(4), source.below(4))

    def apply(self, values: list[SSAValue]) -> SSAValue:
        x, y = (values[-1 - i % len(values)] for i in (self.of, self.other))
        if self.kind < len(ACTIVATIONS):
            return tile.PointwiseOp(ACTIVATIONS[self.kind], [x]).result
        return tile.PointwiseOp(BINARY[self.kind - len(ACTIVATIONS)], [x, y]).result


@dataclass(frozen=True)
class TileRecipe:
    """One kernel on a domain of `batch` × `rows` × `columns`, in tiles of `shape`.

    `product`: the first tile is a product of two operands over `depth` in steps of `step`; else it is the first of
    `reads`. `reduce`: the rows are reduced over all their columns before (`""`: not) and the result joins the ops. The
    last value is stored, dense or `gapped`. `rows` is the symbol M where `symbolic`.
    """

    batch: int = 1
    rows: int = 3
    columns: int = 8
    shape: tuple[int, int] = (4, 8)
    reads: tuple[str, ...] = ("dense",)
    ops: tuple[TileOp, ...] = field(default=())
    reduce: str = ""
    product: bool = False
    depth: int = 3
    step: int = 4
    symbolic: bool = True
    gapped: bool = False
    dtype: str = "f32"

    @property
    def dims(self) -> dict[str, int]:
        """The kernel's symbols."""
        return {"M": self.rows} if self.symbolic else {}

    def build(self) -> ModuleOp:
        """A module of this one kernel."""
        body = Block(arg_types=[self._buffer(kind) for kind in self._operands()])
        loop = tile.ParallelOp(self._rows, self.columns, self.shape, self.batch)
        with ImplicitBuilder(loop.body):
            self._write(body, *loop.body.args)
        body.add_op(loop)
        output = len(body.args) - 1
        return ModuleOp([KernelOp("recipe", "gemm" if self.product else "map", list(self.dims), [output], body)])

    def buffers(self, seed: int) -> list[torch.Tensor]:
        """Random contents for the kernel's buffers; the output holds a pattern."""
        generator = torch.Generator().manual_seed(seed)
        made: list[torch.Tensor] = []
        for kind in self._operands():
            size = self._size(kind)
            if kind == "index":
                made.append(torch.randint(0, max(1, self.rows), [size], generator=generator))
            elif kind == "output":
                made.append(torch.full([size], 7, dtype=TORCH_DTYPES[self.dtype]))
            else:
                made.append(torch.randn([size], generator=generator, dtype=torch.float64).to(TORCH_DTYPES[self.dtype]))
        return made

    # ---- operands ----------------------------------------------------------------------------------------------

    @property
    def _rows(self) -> Dim:
        return Dim.of("M") if self.symbolic else Dim.of(self.rows)

    @property
    def _element(self) -> Attribute:
        """What float tiles are held in."""
        return DTYPES["f64" if self.dtype == "f64" else "f32"]

    def _operands(self) -> list[str]:
        factors = ["left", "right"] if self.product else []
        return [*factors, *self.reads, *(["index"] if "gathered" in self.reads else []), "output"]

    def _buffer(self, kind: str) -> BufferType:
        return BufferType.of(DTYPES["i64" if kind == "index" else self.dtype])

    def _access(self, kind: str) -> Access:
        rows, n, batch = self._rows, Dim.of(self.columns), Dim.of(self.batch)
        tables = {
            "dense": Access(axes([rows], [n]), axes([n], [1])),
            "transposed": Access(axes([rows], [1]), axes([n], [rows])),
            "row": Access(axes([rows], [0]), axes([n], [1])),
            "column": Access(axes([rows], [1]), axes([n], [0])),
            "gapped": Access(axes([rows], [n + 3]), axes([n], [1]), Dim.of(2)),
            "gathered": Access(axes([rows], [n]), axes([n], [1]), gather=Gather(0, rows)),
            "batched": Access(axes([rows], [n]), axes([n], [1]), batch=axes([batch], [rows * n])),
            "left": Access(axes([rows], [self.depth]), axes([self.depth], [1])),
            "right": Access(axes([self.depth], [n]), axes([n], [1])),
        }
        if kind != "output":
            return tables[kind]
        stride, start = (n + 3, Dim.of(2)) if self.gapped else (n, Dim())
        return Access(axes([rows], [stride]), axes([n], [1]), start, axes([batch], [rows * stride]))

    def _size(self, kind: str) -> int:
        rows, n = self.rows, self.columns
        output = self.batch * rows * (n + 3 if self.gapped else n) + 2
        table = {
            "row": n, "column": rows, "gapped": rows * (n + 3) + 2, "batched": self.batch * rows * n, "index": rows,
            "left": rows * self.depth, "right": self.depth * n, "output": output,
        }  # fmt: skip
        return max(1, table.get(kind, rows * n))

    # ---- the body ----------------------------------------------------------------------------------------------

    def _write(self, body: Block, batch: SSAValue, row: SSAValue, column: SSAValue) -> None:
        buffers: dict[str, SSAValue] = dict(zip(self._operands(), body.args, strict=True))
        first = len(self._operands()) - len(self.reads) - 1 - ("gathered" in self.reads)
        reads = list(zip(self.reads, body.args[first:], strict=False))
        values = [self._product(buffers, row, column)] if self.product else []
        values += [self._load(kind, buffer, buffers, batch, row, column, self.shape) for kind, buffer in reads]
        if self.reduce:
            values.append(self._reduced(*reads[0], buffers, batch, row))
        for op in self.ops:
            values.append(op.apply(values))
        whole = next((v for v in reversed(values) if tile.tile_shape(v) == self.shape), values[0])
        tile.StoreOp(whole, buffers["output"], row, column, self._access("output"), batch=batch)

    def _load(
        self,
        kind: str,
        buffer: SSAValue,
        buffers: dict[str, SSAValue],
        batch: SSAValue,
        row: SSAValue,
        column: SSAValue,
        shape: tuple[int, int],
    ) -> SSAValue:
        more = {"batch": batch} if kind == "batched" else {"index": buffers["index"]} if kind == "gathered" else {}
        return tile.LoadOp(buffer, row, column, self._access(kind), tile_type(*shape, self._element), **more).result

    def _reduced(
        self, kind: str, buffer: SSAValue, buffers: dict[str, SSAValue], batch: SSAValue, row: SSAValue
    ) -> SSAValue:
        """[TM, 1]: the reduction over all columns, chunk by chunk; columns outside take no part."""
        how = "sum" if self.reduce == "mean" else self.reduce
        start = {"sum": 0.0, "max": float("-inf"), "min": float("inf")}[how]
        height, width = self.shape
        columns = _index(self.columns)

        def step(at: SSAValue, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            chunk = self._load(kind, buffer, buffers, batch, row, at, self.shape)
            inside = tile.ReduceOp(how, chunk, columns=arith.SubiOp(columns, at).result).result
            return [tile.PointwiseOp("add" if how == "sum" else how, [carried[0], inside]).result]

        (total,) = _loop(columns, width, [tile.FillOp(start, tile_type(height, 1, self._element)).result], step)
        if self.reduce != "mean":
            return total
        count = tile.FillOp(1 / self.columns, tile_type(1, 1, self._element)).result
        return tile.PointwiseOp("mul", [total, count]).result

    def _product(self, buffers: dict[str, SSAValue], row: SSAValue, column: SSAValue) -> SSAValue:
        height, width = self.shape

        def step(at: SSAValue, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            a = tile.LoadOp(
                buffers["left"], row, at, self._access("left"), tile_type(height, self.step, self._element)
            ).result
            b = tile.LoadOp(
                buffers["right"], at, column, self._access("right"), tile_type(self.step, width, self._element)
            ).result
            return [tile.DotOp(a, b, carried[0], False).result]

        (total,) = _loop(
            _index(self.depth), self.step, [tile.FillOp(0.0, tile_type(height, width, self._element)).result], step
        )
        return total


def _index(value: int) -> SSAValue:
    return arith.ConstantOp.from_int_and_width(value, IndexType()).result


def _loop(end: SSAValue, step: int, init: Sequence[SSAValue], write: Carry) -> Sequence[SSAValue]:
    block = Block(arg_types=[IndexType(), *(v.type for v in init)])
    with ImplicitBuilder(block):
        scf.YieldOp(*write(block.args[0], block.args[1:]))
    return scf.ForOp(_index(0), end, _index(step), list(init), block).results


def tile_recipe(source: Source) -> TileRecipe:
    """A sweep or a product at ragged sizes."""
    product = sometimes(source, 3)
    return TileRecipe(
        batch=pick(source, (1, 2)),
        rows=pick(source, near(8)),
        columns=pick(source, near(8, 32)),
        shape=(pick(source, (4, 1, 8)), pick(source, (8, 16, 32))),
        reads=source.several(lambda s: pick(s, READS), 1, 3),
        ops=source.several(TileOp.draw, 0, 5),
        reduce=pick(source, ("", *REDUCTIONS)),
        product=product,
        depth=pick(source, (3, 1, 16, 17)),
        step=pick(source, (4, 16)),
        symbolic=sometimes(source),
        gapped=sometimes(source, 3),
        dtype=pick(source, ("f32", "f32", "bf16", "f64")),
    )
