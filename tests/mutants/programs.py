"""Directed programs: one for each thing that only a certain shape of graph shows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from padded_tiles import PADDED
from tile_samples import SAMPLES, Sample
from warpweave.ir.flow import (
    AtenOp,
    AttentionOp,
    CastOp,
    ConcatOp,
    ConstantOp,
    EmbeddingOp,
    IotaOp,
    KVAppendOp,
    LinearOp,
    MatmulOp,
    ReduceOp,
    RMSNormOp,
    SliceOp,
    SoftmaxOp,
)
from warpweave.ir.testing.recipes.builder import FlowBuilder, width_of
from warpweave.ir.testing.recipes.flow import FlowRecipe
from warpweave.ir.testing.recipes.steps import linear
from warpweave.ir.types import TensorType, dtype_of, shape_of


@dataclass(frozen=True)
class Sampled:
    """A hand-written kernel at its last sizes. `dtype`: of those that come in several."""

    name: str
    dtype: str = "f32"

    @property
    def sample(self) -> Sample:
        return PADDED[self.name]() if self.name in PADDED else SAMPLES[self.name](self.dtype)

    @property
    def dims(self) -> Mapping[str, int]:
        return self.sample.dims[-1]

    def build(self) -> ModuleOp:
        return ModuleOp([self.sample.kernel])

    def buffers(self, seed: int) -> list[torch.Tensor]:
        return self.sample.buffers(self.dims, seed)


@dataclass(frozen=True)
class Step:
    """A step that a function writes: rows in, rows out."""

    write: Callable[[FlowBuilder, SSAValue], SSAValue]

    def apply(self, builder: FlowBuilder) -> None:
        builder.keep(self.write(builder, builder.latest(0)))


def written(write: Callable[[FlowBuilder, SSAValue], SSAValue], **more: object) -> FlowRecipe:
    return FlowRecipe(steps=(Step(write),), **more)  # type: ignore[arg-type]


def norm_of_another(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """x over the root mean square of something else."""
    square = b.pointwise("square", b.pointwise("tanh", x))
    mean = b.scaled("add", b(ReduceOp("mean", square, [2])), 1e-5)
    return b.pointwise("mul", x, b.pointwise("rsqrt", mean))


def norm_over_positions(b: FlowBuilder, x: SSAValue) -> SSAValue:
    mean = b.scaled("add", b(ReduceOp("mean", b.pointwise("square", x), [1])), 1e-5)
    return b.pointwise("mul", x, b.pointwise("rsqrt", mean))


def norm_with_half_offset(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """x · rsqrt(mean x²) · (weight + 0.5)."""
    mean = b.scaled("add", b(ReduceOp("mean", b.pointwise("square", x), [2])), 1e-5)
    normal = b.pointwise("mul", x, b.pointwise("rsqrt", mean))
    return b.pointwise("mul", normal, b.scaled("add", b.weight("gain", [width_of(x)], "f32"), 0.5))


def almost_gelu(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """GELU's tanh form with another coefficient."""
    cube = b.pointwise("mul", b.pointwise("mul", x, x), x)
    inner = b.scaled("mul", b.pointwise("add", x, b.scaled("mul", cube, 0.05)), math.sqrt(2 / math.pi))
    return b.pointwise("mul", b.scaled("mul", x, 0.5), b.scaled("add", b.pointwise("tanh", inner), 1.0))


def almost_rope(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """Both halves in their places: no rotation."""
    heads = b.reshape(x, b.batch, b.length, 1, width_of(x))
    half = width_of(x) // 2
    cos, sin = (b.reshape(b.argument(n, [1, b.length, 2 * half]), 1, b.length, 1, 2 * half) for n in ("cos", "sin"))
    halves = [b.pointwise("neg", b.columns(heads, 0, half)), b.columns(heads, half, half)]
    turned = b.pointwise("mul", b(ConcatOp(halves, 3)), sin)
    return b.reshape(b.pointwise("add", b.pointwise("mul", heads, cos), turned), b.batch, b.length, 2 * half)


def mask_below_scale(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """softmax(2 · (x xᵀ + mask)) x: the scale stands outside of the mask."""
    q = b.reshape(x, b.batch, 1, b.length, width_of(x))
    scores = b(MatmulOp(q, b.transpose(q, 0, 1, 3, 2)))
    masked = b.pointwise("add", b.argument("mask", [1, 1, b.length, b.length]), scores)
    attended = b(MatmulOp(b(SoftmaxOp(b.scaled("mul", masked, 2.0), 3)), q))
    return b.reshape(attended, b.batch, b.length, width_of(x))


def _attended(b: FlowBuilder, x: SSAValue, fill: float) -> SSAValue:
    """softmax(x xᵀ where key < query, else fill) x: query 0 sees nothing."""
    q = b.reshape(x, b.batch, 1, b.length, width_of(x))
    scores = b(MatmulOp(q, b.transpose(q, 0, 1, 3, 2)))
    rows, keys = (
        b(IotaOp(TensorType.of(s, "i64"), a)) for s, a in (([1, 1, b.length, 1], 2), ([1, 1, 1, b.length], 3))
    )
    low = b(ConstantOp(fill, TensorType.of([], "f32")))
    chosen = b.pointwise("where", b.pointwise("lt", keys, rows), scores, low)
    return b.reshape(b(MatmulOp(b(SoftmaxOp(chosen, 3)), q)), b.batch, b.length, width_of(x))


def sees_nothing(b: FlowBuilder, x: SSAValue) -> SSAValue:
    return _attended(b, x, float("-inf"))


def sees_equal_numbers(b: FlowBuilder, x: SSAValue) -> SSAValue:
    return _attended(b, x, -3e4)


def window_of_positions(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """Attention whose boolean mask is key ≤ query and key > query − 2."""
    q = b.reshape(x, b.batch, b.length, 1, width_of(x))
    rows = b(IotaOp(TensorType.of([1, 1, b.length, 1], "i64"), 2))
    keys = b(IotaOp(TensorType.of([1, 1, 1, b.length], "i64"), 3))
    first = b.pointwise("sub", rows, b(ConstantOp(2, TensorType.of([], "i64"))))
    first = b.reshape(first, 1, 1, b.length, 1)
    mask = b.pointwise("and", b.pointwise("le", keys, rows), b.pointwise("gt", keys, first))
    return b.reshape(b(AttentionOp(q, q, q, 1.0, mask=mask)), b.batch, b.length, width_of(x))


def other_number_each_layer(b: FlowBuilder, x: SSAValue) -> SSAValue:
    layer = int(b.path.rpartition(".")[2])
    return b.scaled("mul", b.pointwise("tanh", x), 0.5 + layer)


def linear_read_twice(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """A product that its own norm is multiplied with: read inside its kernel and behind it."""
    y = linear(b, x, 8)
    total = b(ReduceOp("sum", b.pointwise("silu", y), [2]))
    return b.pointwise("mul", b.pointwise("add", y, b.pointwise("silu", y)), total)


def transposed(b: FlowBuilder, x: SSAValue) -> SSAValue:
    return b.transpose(x, 0, 2, 1)


def reduced_transposed(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """Columns reduced where they stand second."""
    y = transposed(b, x)
    return transposed(b, b.pointwise("sub", b(ReduceOp("sum", y, [1])), y))


def softmax_transposed(b: FlowBuilder, x: SSAValue) -> SSAValue:
    return transposed(b, b(SoftmaxOp(transposed(b, x), 1)))


def joined_transposed(b: FlowBuilder, x: SSAValue) -> SSAValue:
    y = transposed(b, x)
    return transposed(b, b(ConcatOp([y, b.pointwise("tanh", y)], 1)))


def norm_transposed(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """A norm over positions, which are the last dim."""
    return transposed(b, b(RMSNormOp(transposed(b, x), None, 1e-5)))


def difference_transposed(b: FlowBuilder, x: SSAValue) -> SSAValue:
    return transposed(b, b.pointwise("sub", transposed(b, x), transposed(b, b.pointwise("tanh", x))))


def rows_in_a_cache_that_is_kept(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """x written over other rows, which stay as they are for the caller."""
    cache = b.argument("cache", shape_of(x), dtype_of(x), "cache")
    return b(KVAppendOp(cache, x, b(IotaOp(TensorType.of([b.length], "i64"))), 1))


def linear_on_other_rows(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """A product on rows that are halves of x's."""
    width = width_of(x)
    halves = b.reshape(x, b.batch * b.length * 2, width // 2)
    return b.reshape(linear(b, halves, width // 2), b.batch, b.length, width)


def linear_of_shared_and_own_weights(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """A product with the layer's weight times one that all layers share."""
    shape, dtype = [width_of(x), width_of(x)], dtype_of(x)
    shared = next((arg for arg in b.block.args if arg.name_hint == "shared"), None)
    shared = shared or b.weight("shared", shape, dtype)
    return b(LinearOp(x, b.pointwise("mul", shared, b.weight("weight", shape, dtype)), None))


def rows_of_ids_at_an_offset(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """Embeddings of all ids but the first."""
    ids = b.argument("ids", [b.batch, b.length + 1], "i64")
    table = b.weight("table", [16, width_of(x)], dtype_of(x))
    return b(EmbeddingOp(b(SliceOp(ids, [0, 1], [b.batch, b.length])), table))


def _aten(b: FlowBuilder, name: str, args: list[object], inputs: list[SSAValue], *types: TensorType) -> list[SSAValue]:
    op = AtenOp(f"aten.{name}", json.dumps({"args": args, "kwargs": {}}), "captured", inputs, types)
    b.insert(op)
    return list(op.outputs)


def experts_as_captured(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """Two of three experts a token, in the operators that `transformers` gives, weights divided by their sum."""
    tokens, width, experts, k = b.batch * b.length, width_of(x), 3, 2
    slots, (t0, t1, t2) = tokens * k, ({"tensor": i} for i in range(3))
    i64s, floats = TensorType.of([slots], "i64"), TensorType.of([slots], "f32")
    pair = [TensorType.of([tokens, k], dtype) for dtype in ("f32", "i64")]
    scores = b.argument("scores", [tokens, experts], "f32")
    values, chosen = _aten(b, "topk.default", [t0, k], [scores], *pair)
    sorted_, order = _aten(b, "sort.default", [t0], [b.reshape(chosen, slots)], i64s, i64s)
    bins = TensorType.of([experts], "f32")
    (counts,) = _aten(b, "histc.default", [t0, experts, 0, experts - 1], [b(CastOp(sorted_, "f32"))], bins)
    (ends,) = _aten(b, "cumsum.default", [t0, 0], [counts], bins.with_element("i32"))
    token = b.scaled("floor_div", order, k)
    token.owner.operands = [order, token.owner.operands[1]]  # type: ignore[union-attr]
    (rows,) = _aten(
        b, "index.Tensor", [t0, [t1]], [b.reshape(x, tokens, width), token], TensorType.of([slots, width], "f32")
    )
    weight = b.transpose(b.weight("experts", [experts, width, width], "f32"), 0, 2, 1)
    (product,) = _aten(
        b, "_grouped_mm.default", [t0, t1, t2], [rows, weight, ends], TensorType.of([slots, width], "f32")
    )
    shares = b.pointwise("div", values, b(ReduceOp("sum", values, [1])))
    (factors,) = _aten(b, "index.Tensor", [t0, [t1]], [b.reshape(shares, slots), order], floats)
    scaled = b.pointwise("mul", product, b.reshape(factors, slots, 1))
    places = [b(ConstantOp(0, i64s)), order, b(IotaOp(i64s, 0))]
    (inverse,) = _aten(b, "index_put.default", [t0, [t1], t2], places, i64s)
    (back,) = _aten(b, "index.Tensor", [t0, [t1]], [scaled, inverse], TensorType.of([slots, width], "f32"))
    total = b(ReduceOp("sum", b.reshape(back, tokens, k, width), [1]))
    return b.reshape(total, b.batch, b.length, width)


def int8_rows(b: FlowBuilder, x: SSAValue) -> SSAValue:
    """Flattened rows, each column of which is divided by its largest number, as int8 numbers by an int8 weight."""
    rows = b.reshape(x, b.batch * b.length, width_of(x))
    largest = b(ReduceOp("max", b.pointwise("abs", rows), [0]))
    quantised = b(CastOp(b.scaled("mul", b.pointwise("div", rows, largest), 127.0), "i8"))
    sums = b(LinearOp(quantised, b.weight("weight", [width_of(x), width_of(x)], "i8")))
    return b.reshape(b(CastOp(sums, "f32")), b.batch, b.length, width_of(x))
