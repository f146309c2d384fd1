"""The operators of the language but attention: products, norms, reductions, positions and caches, views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.ir import BlockArgument, SSAValue

from ...ir import flow
from ...ir.dims import Dim, product
from ...ir.types import broadcast_shapes, dtype_of, shape_of
from ..build import is_float
from .signature import Axes, Axis, Flag, Number, Size, Sizes, Tensor, Tensors, need, operator, same_dtype, text

if TYPE_CHECKING:
    from .expressions import Expressions


def _axis(value: SSAValue, axis: int, argument: str = "axis") -> int:
    rank = len(shape_of(value))
    need(-rank <= axis < rank, f"axis {axis} of {text(value)}", "axes count from 0, or from -1 at the end", argument)
    return axis % rank


# ---- products --------------------------------------------------------------------------------------------------


@operator
def linear(lower: Expressions, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> SSAValue:
    """x [.., K] times the transpose of weight [N, K], plus bias [N]: [.., N]; summed up in f32; i8 by i8 gives i32"""
    _factors(x, weight, bias)
    need(len(shape_of(x)) >= 1, f"`x` is {text(x)}", "it has at least one dim", "x")
    need(len(shape_of(weight)) == 2, f"`weight` is {text(weight)}, and it is [N, K]", "", "weight")
    n, k = shape_of(weight)
    rows = shape_of(x)[-1]
    turned = "; its transpose fits: `transpose(weight, [1, 0])`" if n == rows else ""
    what = f"rows of {rows} in {text(x)} against a weight {text(weight)}, whose rows are {k}"
    need(k == rows, what, "a weight is [N, K], as in PyTorch" + turned, "weight")
    need(bias is None or shape_of(bias) == (n,), f"`bias` is {bias and text(bias)}, and it is [{n}]", "", "bias")
    return lower.linear(x, weight, bias, dtype_of(x) if is_float(x) else "i32")


def _factors(x: SSAValue, weight: SSAValue, bias: SSAValue | None) -> None:
    """Floats of one dtype; or i8 by i8, over a depth whose sums fit i32."""
    if dtype_of(x) != "i8":
        same_dtype(("x", x), ("weight", weight), ("bias", bias))
        return
    depth = shape_of(x)[-1]
    need(dtype_of(weight) == "i8", f"`weight` is {text(weight)}, and `x` is {text(x)}", "i8 takes i8", "weight")
    need(bias is None, "products of i8 have no bias", "add it to the sums, as f32", "bias")
    what = f"sums of {depth} products of i8 may leave i32"
    need(flow.sums_fit_i32(depth), what, f"a depth of at most {flow.INT8_DEPTH}", "x")


@operator
def matmul(lower: Expressions, a: Tensor, b: Tensor) -> SSAValue:
    """a [.., M, K] times b [.., K, N]: [.., M, N]; leading dims broadcast; summed up in f32"""
    same_dtype(("a", a), ("b", b))
    for name, value in (("a", a), ("b", b)):
        need(len(shape_of(value)) >= 2, f"`{name}` is {text(value)}", "it has at least two dims", name)
    what = f"{text(a)} against {text(b)}: {shape_of(a)[-1]} columns, {shape_of(b)[-2]} rows"
    need(shape_of(a)[-1] == shape_of(b)[-2], what, "a is [.., M, K] and b [.., K, N]", "b")
    leading = broadcast_shapes([shape_of(a)[:-2], shape_of(b)[:-2]])
    need(leading is not None, f"the leading dims of {text(a)} and {text(b)} do not broadcast", "", "b")
    return lower.matmul(a, b, dtype_of(a))


@operator
def embedding(lower: Expressions, ids: Tensor, table: Tensor) -> SSAValue:
    """the rows of table [V, N] that ids [..] name: [.., N]"""
    need(not is_float(ids) and dtype_of(ids) != "i1", f"`ids` is {text(ids)}", "it holds whole numbers", "ids")
    need(len(shape_of(table)) == 2, f"`table` is {text(table)}, and it is [V, N]", "", "table")
    return lower.emit(flow.EmbeddingOp(ids, table))


# ---- norms and reductions --------------------------------------------------------------------------------------


def _vector(x: SSAValue, name: str, value: SSAValue | None) -> None:
    need(len(shape_of(x)) >= 1, f"`x` is {text(x)}", "it has at least one dim", "x")
    wanted = shape_of(x)[-1:]
    what = f"`{name}` is {value and text(value)}, and a row of {text(x)} has {wanted and wanted[0]} numbers"
    need(value is None or shape_of(value) == wanted, what, f"`{name}` is one number a column", name)


@operator
def rms_norm(
    lower: Expressions, x: Tensor, weight: Tensor | None = None, eps: Number = 1e-6, unit_offset: Flag = False
) -> SSAValue:
    """x · rsqrt(mean(x²) + eps) · weight over the last dim; · (1 + weight) with unit_offset"""
    same_dtype(("x", x), ("weight", weight))
    _vector(x, "weight", weight)
    return lower.emit(flow.RMSNormOp(x, weight, eps, unit_offset))


@operator
def layer_norm(
    lower: Expressions, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: Number = 1e-5
) -> SSAValue:
    """(x − mean) · rsqrt(variance + eps) · weight + bias over the last dim"""
    same_dtype(("x", x), ("weight", weight), ("bias", bias))
    _vector(x, "weight", weight)
    _vector(x, "bias", bias)
    return lower.emit(flow.LayerNormOp(x, weight, bias, eps))


@operator
def softmax(lower: Expressions, x: Tensor, axis: Axis = -1) -> SSAValue:
    """exp(x − max) divided by its sum, along an axis"""
    same_dtype(("x", x))
    return lower.emit(flow.SoftmaxOp(x, _axis(x, axis)))


def _reduce(lower: Expressions, kind: str, x: SSAValue, axis: int) -> SSAValue:
    same_dtype(("x", x))
    return lower.reduce(kind, x, [_axis(x, axis)])


@operator
def sum_(lower: Expressions, x: Tensor, axis: Axis = -1) -> SSAValue:
    """the sum along an axis, which stays as a dim of 1"""
    return _reduce(lower, "sum", x, axis)


@operator
def mean(lower: Expressions, x: Tensor, axis: Axis = -1) -> SSAValue:
    """the mean along an axis, which stays as a dim of 1"""
    return _reduce(lower, "mean", x, axis)


@operator
def amax(lower: Expressions, x: Tensor, axis: Axis = -1) -> SSAValue:
    """the greatest along an axis, which stays as a dim of 1"""
    return _reduce(lower, "max", x, axis)


@operator
def amin(lower: Expressions, x: Tensor, axis: Axis = -1) -> SSAValue:
    """the least along an axis, which stays as a dim of 1"""
    return _reduce(lower, "min", x, axis)


# ---- positions and caches --------------------------------------------------------------------------------------


@operator
def rope(lower: Expressions, x: Tensor, cos: Tensor, sin: Tensor, interleaved: Flag = False) -> SSAValue:
    """x [B, S, H, d] turned by the angles whose cos, sin are [B or 1, S, r]; pairs (j, j + r/2), or (2j, 2j + 1)"""
    same_dtype(("x", x), ("cos", cos), ("sin", sin))
    need(len(shape_of(x)) == 4, f"`x` is {text(x)}, and it is [B, S, H, d]", "`reshape` it", "x")
    for name, value in (("cos", cos), ("sin", sin)):
        what = f"`{name}` is {text(value)}, and it is [{shape_of(x)[0]} or 1, {shape_of(x)[1]}, r]"
        shape = shape_of(value)
        fits = len(shape) == 3 and shape[1] == shape_of(x)[1] and shape[0] in (Dim.of(1), shape_of(x)[0])
        need(fits, what, "r is at most d", name)
    return lower.emit(flow.RopeOp(x, cos, sin, "interleaved" if interleaved else "half"))


@operator
def kv_append(lower: Expressions, cache: Tensor, new: Tensor, positions: Tensor, axis: Axis = 1) -> SSAValue:
    """cache with the rows new written at positions (i64) along axis; a parameter that is a `cache` is written in place"""
    axis = _axis(cache, axis)
    need(
        axis + 1 < len(shape_of(cache)), f"`cache` is {text(cache)}, axis {axis} its last", "rows are appended", "axis"
    )
    same_dtype(("cache", cache), ("new", new))
    rest = [shape_of(v)[:axis] + shape_of(v)[axis + 1 :] for v in (cache, new)]
    need(rest[0] == rest[1], f"rows of {text(new)} into {text(cache)}", f"they differ along axis {axis} only", "new")
    rows = shape_of(new)[axis]
    what = f"`positions` is {text(positions)}, and it is i64[{rows}]"
    need(shape_of(positions) == (rows,) and dtype_of(positions) == "i64", what, "one position a new row", "positions")
    result = lower.emit(flow.KVAppendOp(cache, new, positions, axis))
    origin = next((a for a, v in lower.appended.items() if v is cache), cache)
    if isinstance(origin, BlockArgument) and origin in lower.caches:
        lower.appended[origin] = result
    return result


# ---- views -----------------------------------------------------------------------------------------------------


@operator
def reshape(lower: Expressions, x: Tensor, shape: Sizes) -> SSAValue:
    """the same numbers, in row-major order, under another shape"""
    before, after = product(shape_of(x)), product(tuple(shape))
    what = f"{text(x)} has {before} elements, [{', '.join(map(str, shape))}] has {after}"
    need(before == after, what, "a shape has as many elements as what it is given to", "shape")
    return lower.reshape(x, shape)


@operator
def transpose(lower: Expressions, x: Tensor, order: Axes) -> SSAValue:
    """dim i of the result is dim order[i] of x"""
    rank = len(shape_of(x))
    wanted = f"it holds each of 0 to {rank - 1} once" if rank else "it is []"
    need(sorted(order) == list(range(rank)), f"{order} is no order of the dims of {text(x)}", wanted, "order")
    return lower.transpose(x, order)


@operator
def broadcast(lower: Expressions, x: Tensor, shape: Sizes) -> SSAValue:
    """x repeated along its dims of 1 to a shape"""
    fits = broadcast_shapes([shape_of(x), tuple(shape)]) == tuple(shape)
    need(fits, f"{text(x)} does not broadcast to [{', '.join(map(str, shape))}]", "only dims of 1 repeat", "shape")
    return lower.broadcast(x, shape)


@operator
def slice_(lower: Expressions, x: Tensor, axis: Axis, start: Size, size: Size, step: Axis = 1) -> SSAValue:
    """the elements start, start + step, ... along an axis, size of them"""
    need(step >= 1, f"a step of {step}", "a step is at least 1", "step")
    axis = _axis(x, axis)
    end, length = start + (size - 1) * step + 1, shape_of(x)[axis]
    beyond = end.is_const and length.is_const and end.value > length.value
    need(not beyond, f"elements up to {end} of a dim of {length}", f"`x` is {text(x)}", "size")
    return lower.slice(x, axis, start, size, step)


@operator
def concat(lower: Expressions, parts: Tensors, axis: Axis = -1) -> SSAValue:
    """tensors one after the other along an axis: concat([a, b])"""
    need(len(parts) > 0, "nothing to put together", "write `concat([a, b])`", "parts")
    axis = _axis(parts[0], axis)
    for part in parts[1:]:
        need(dtype_of(part) == dtype_of(parts[0]), f"{text(part)} after {text(parts[0])}", "convert it", "parts")
        fits = len(shape_of(part)) == len(shape_of(parts[0])) and all(
            a == b for i, (a, b) in enumerate(zip(shape_of(part), shape_of(parts[0]), strict=True)) if i != axis
        )
        need(fits, f"{text(part)} after {text(parts[0])}", f"they differ along axis {axis} only", "parts")
    return lower.concat(parts, axis)


@operator
def iota(lower: Expressions, size: Size) -> SSAValue:
    """0, 1, ... as i64 [size]"""
    return lower.iota(size)
