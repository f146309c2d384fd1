"""Fused programs: a chain of kernels on rows, each with a region drawn op by op."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region, SSAValue

from ...dims import Dim, DimLike
from ...flow import AttentionOp, ConstantOp, FlowOp, PointwiseOp, ReduceOp, RowScaleOp, RowStatsOp
from ...fused import AttentionKernelOp, CopyOp, GemmOp, MapOp, MatmulKernelOp, YieldOp
from ...types import TensorType, shape_of, tensor_type
from .builder import FlowBuilder, width_of
from .norms import ACTIVATIONS
from .source import Source, near, pick, sometimes
from .steps import BINARY, REDUCTIONS

WIDTHS = near(32, 64)


class KernelStep(Protocol):
    """One kernel of a recipe."""

    def apply(self, builder: FlowBuilder) -> None: ...


@dataclass(frozen=True)
class RegionOp:
    """One op of a region: `unary`, `binary`, `reduce` or `number` of values made before, latest first."""

    form: str = "unary"
    kind: int = 0
    of: int = 0
    other: int = 1

    @staticmethod
    def draw(source: Source) -> RegionOp:
        form = pick(source, ("unary", "binary", "binary", "number", "reduce"))
        return RegionOp(form, source.below(8), source.below(4), source.below(6))


class Body:
    """A region under construction; `values` are the floats of shape [.., N], or that broadcast to it, made so far."""

    def __init__(self, types: list[TensorType]) -> None:
        self.block = Block(arg_types=types)
        self.values: list[SSAValue] = list(self.block.args)
        self.made: list[SSAValue] = []

    def __call__(self, op: FlowOp) -> SSAValue:
        self.block.add_op(op)
        return op.result

    def apply(self, recipe: RegionOp, widest: TensorType) -> None:
        """Adds the op; a reduction keeps its operand's shape by meeting it again."""
        x = self._whole(recipe.of, widest)
        match recipe.form:
            case "unary":
                made = PointwiseOp(ACTIVATIONS[recipe.kind % len(ACTIVATIONS)], [x])
            case "binary":
                other = self.values[-1 - recipe.other % len(self.values)]
                made = PointwiseOp(BINARY[recipe.kind % len(BINARY)], [other, x], self._result(x))
            case "number":
                number = self(ConstantOp(0.25 * (recipe.kind - 3), TensorType.of([], tensor_type(x).element)))
                made = PointwiseOp(BINARY[recipe.other % len(BINARY)], [x, number], self._result(x))
            case _:
                reduced = self(ReduceOp(REDUCTIONS[recipe.kind % 4], x, [tensor_type(x).rank - 1], "f32"))
                made = PointwiseOp(BINARY[recipe.other % len(BINARY)], [reduced, x], self._result(x))
        self.values.append(self(made))
        self.made.append(made.result)

    def _whole(self, index: int, widest: TensorType) -> SSAValue:
        """A value of the walked shape."""
        found = [v for v in self.values if shape_of(v) == widest.shape]
        return found[-1 - index % len(found)]

    def _result(self, x: SSAValue) -> TensorType:
        return TensorType.of(shape_of(x), "f32")

    def finish(self, results: list[SSAValue]) -> Region:
        self.block.add_op(YieldOp(*results))
        return Region(self.block)


@dataclass(frozen=True)
class Gemm:
    """Products of rows with one or two weights (of one width, so that they meet), and an epilogue.

    `sides`: `r` rows of the result's shape, `v` one number a column, `s` the factor of a deferred norm. `stats`: partial
    statistics of the result leave the kernel too.
    """

    of: int = 0
    columns: int = 8
    weights: int = 1
    sides: str = ""
    stats: bool = False
    ops: tuple[RegionOp, ...] = field(default=())
    dtype: str = "f32"

    @staticmethod
    def draw(source: Source) -> Gemm:
        return Gemm(
            source.below(3), pick(source, WIDTHS), 1 + sometimes(source, 3), pick(source, ("", "v", "r", "s", "vr", "sr")),
            sometimes(source, 3), source.several(RegionOp.draw, 0, 5), pick(source, ("f32", "bf16", "f16")),
        )  # fmt: skip

    def apply(self, builder: FlowBuilder) -> None:
        a = builder.latest(self.of)
        n = self.columns
        weights = [
            builder.argument("weight", [n, width_of(a)], tensor_type(a).dtype, "weight") for _ in range(self.weights)
        ]
        shape = [*shape_of(a)[:-1], Dim.of(n)]
        shapes = {"r": shape, "v": [Dim.of(n)], "s": [*shape[:-1], Dim.of(-(-width_of(a) // 64))]}
        sides = [builder.argument(s, shapes[s], "f32" if s == "s" else tensor_type(a).dtype) for s in self.sides]
        accumulator = GemmOp.accumulator_type(a, weights[0])
        body = Body([*[accumulator] * self.weights, *(tensor_type(s) for s in sides)])
        if "s" in self.sides:
            stats = body.block.args[self.weights + self.sides.index("s")]
            body.values.remove(stats)
            squares = body(PointwiseOp("square", [stats]))
            body.values.append(body(RowScaleOp(squares, "sumsq", width_of(a), 64, 1e-5)))
        for op in self.ops:
            body.apply(op, accumulator)
        result = body.made[-1] if body.made else body.block.args[0]
        yielded, types = [result], [TensorType.of(shape, self.dtype)]
        if self.stats:
            yielded.append(body(RowStatsOp(result, "sumsq", 64)))
            types.append(tensor_type(yielded[-1]))
        kernel = GemmOp(a, weights, sides, body.finish(yielded), types)
        builder.insert(kernel)
        builder.keep(kernel.outputs[0])
        builder.others.extend(kernel.outputs[1:])


@dataclass(frozen=True)
class Map:
    """Elementwise and row-reduction work on rows; `sides` as for `Gemm`, `several`: two results."""

    of: int = 0
    sides: str = ""
    ops: tuple[RegionOp, ...] = field(default=())
    several: bool = False
    dtype: str = "f32"

    @staticmethod
    def draw(source: Source) -> Map:
        return Map(
            source.below(3), pick(source, ("", "v", "r", "o", "vr", "vo")), source.several(RegionOp.draw, 1, 6),
            sometimes(source, 3), pick(source, ("f32", "bf16", "f16")),
        )  # fmt: skip

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        shape = shape_of(x)
        shapes = {"r": shape, "v": shape[-1:], "o": [*shape[:-1], Dim.of(1)]}
        inputs = [x, *(builder.argument(s, shapes[s], tensor_type(x).dtype) for s in self.sides)]
        body = Body([tensor_type(v) for v in inputs])
        for op in self.ops:
            body.apply(op, tensor_type(x))
        results = list(dict.fromkeys([body.made[-1], body.made[0]] if self.several else [body.made[-1]]))
        types = [TensorType.of(shape, self.dtype) for _ in results]
        kernel = MapOp(inputs, body.finish(results), types)
        builder.insert(kernel)
        for output in reversed(kernel.outputs):
            builder.keep(output)


@dataclass(frozen=True)
class Attend:
    """`fused.attention` on views of arguments: heads first or last, causal, window, softcap."""

    heads: int = 1
    groups: int = 1
    size: int = 8
    keys: int = 3
    causal: bool = False
    window: int = 0
    softcap: bool = False
    offset: int = 0
    heads_first: bool = False

    @staticmethod
    def draw(source: Source) -> Attend:
        return Attend(
            pick(source, (1, 2, 3)), pick(source, (1, 2, 4, 3)), pick(source, (8, 1, 16, 7)), pick(source, (*near(64), 300)),
            sometimes(source), pick(source, (0, 0, 2, 70)), sometimes(source, 4), source.below(3), sometimes(source),
        )  # fmt: skip

    def apply(self, builder: FlowBuilder) -> None:
        query = builder.argument("q", [builder.batch, builder.length, self.heads * self.groups, self.size])
        key, value = (self._keys(builder) for _ in range(2))
        attention = AttentionOp(
            query, key, value, 1 / math.sqrt(self.size), causal=self.causal, offset=self.offset,
            window=self.window or None, softcap=2.0 if self.softcap else None,
        )  # fmt: skip
        kernel = AttentionKernelOp.of(attention)
        attention.erase(safe_erase=False)
        builder.insert(kernel)
        builder.keep(
            builder.reshape(kernel.result, builder.batch, builder.length, self.heads * self.groups * self.size)
        )

    def _keys(self, builder: FlowBuilder) -> SSAValue:
        first, second = (self.heads, self.keys) if self.heads_first else (self.keys, self.heads)
        made = builder.argument("k", [builder.batch, first, second, self.size])
        return builder.transpose(made, 0, 2, 1, 3) if self.heads_first else made


@dataclass(frozen=True)
class Product:
    """x yᵀ or x y with an argument, batched."""

    of: int = 0
    columns: int = 8
    transposed: bool = False
    shared: bool = False

    @staticmethod
    def draw(source: Source) -> Product:
        return Product(source.below(3), pick(source, WIDTHS), sometimes(source), sometimes(source))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        batch, n, k = (1 if self.shared else builder.batch), self.columns, width_of(x)
        shape = [batch, n, k] if self.transposed else [batch, k, n]
        y = builder.argument("y", shape, tensor_type(x).dtype)
        y = builder.transpose(y, 0, 2, 1) if self.transposed else y
        kernel = MatmulKernelOp(x, y, tensor_type(x).with_shape([*shape_of(x)[:-1], n]))
        builder.insert(kernel)
        builder.keep(kernel.result)


@dataclass(frozen=True)
class Copy:
    """The columns of rows, cut, one after the other with themselves."""

    of: int = 0
    start: int = 0
    twice: bool = True

    @staticmethod
    def draw(source: Source) -> Copy:
        return Copy(source.below(3), source.below(8), not sometimes(source))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        start = self.start % width_of(x)
        cut = builder.columns(x, start, width_of(x) - start)
        inputs = [cut, x] if self.twice else [cut]
        result = tensor_type(x).with_shape([*shape_of(x)[:-1], sum(map(width_of, inputs))])
        kernel = CopyOp(inputs, 2, result)
        builder.insert(kernel)
        builder.keep(kernel.result)


KERNELS = (Gemm, Map, Gemm, Map, Attend, Product, Copy)


@dataclass(frozen=True)
class FusedRecipe:
    """Kernels on rows [batch, length, width]; all that they compute and nobody reads is returned."""

    kernels: tuple[KernelStep, ...] = field(default=())
    width: int = 8
    batch: DimLike = 1
    length: DimLike = 3
    dtype: str = "f32"

    def build(self) -> ModuleOp:
        """@main with this program."""
        builder = FlowBuilder(self.batch, self.length, self.dtype)
        builder.keep(builder.argument("x", [self.batch, self.length, self.width]))
        for number, kernel in enumerate(self.kernels):
            builder.path = f"kernels.{number}"
            kernel.apply(builder)
        made = [*builder.rows[1:], *builder.others]
        return builder.finish([v for v in made if v.first_use is None] or [builder.rows[0]])


def fused_recipe(source: Source) -> FusedRecipe:
    """One to three kernels."""
    return FusedRecipe(
        kernels=source.several(lambda s: pick(s, KERNELS).draw(s), 1, 3),
        width=pick(source, near(64, 128)),
        batch=pick(source, (1, 2, "B")),
        length=pick(source, (3, 1, 2, "S", 31, 33)),
        dtype=pick(source, ("f32", "f32", "bf16", "f16")),
    )
