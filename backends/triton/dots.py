"""Prints tile.dot, as `products.py` has decided."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...ir import tile
from .expressions import held
from .products import Product
from .values import Values


def dotted(values: Values, product: Product, op: tile.DotOp) -> str:
    """The product added to its accumulator; a scalar where it is one number."""
    ctx, zero = values.ctx, op.accumulator.owner
    sums = [] if isinstance(zero, tile.FillOp) and zero.value.value.data == 0 else [values.block(op.accumulator)]
    a = _factor(values, product.a, product.mode, 1, op.a)
    b = _factor(values, op.b, product.mode, 1 if op.transposed is not None else 0, op.b)
    if product.mode == "split":
        small = ctx.scope.let("small", _call(a[0], b[0], op, sums, ""))
        return _scalar(_call(a[1], b[1], op, [small], ""), ctx.layouts.shape(op.result))
    more = {
        "f32": "" if product.mode == "exact" else f', input_precision="{ctx.precision}"',
        "f64": ", out_dtype=tl.float64",
        "i32": ", out_dtype=tl.int32",
    }[held(tile.element_dtype(op.result))]
    text = _scalar(_call(a[0], b[0], op, sums, more), ctx.layouts.shape(op.result))
    return text if product.factor is None else f"{text} * {values.of[product.factor].text}"


def _factor(values: Values, value: SSAValue, mode: str, axis: int, like: SSAValue) -> tuple[str, str]:
    """What goes into a product, in the lanes of another value; of a split f32 tile the small and the large part."""
    scope, exact = values.ctx.scope, mode != "wide" and tile.exact_dtype(value) != ""
    text = values.factor(value, axis, like, exact)
    if exact or mode == "wide":
        return text, text
    wide = text if text.isidentifier() else scope.let("factor", text)
    large = scope.let("large", f"{wide}.to(tl.bfloat16)")
    return scope.let("rest", f"({wide} - {large}.to(tl.float32)).to(tl.bfloat16)"), large


def _call(a: str, b: str, op: tile.DotOp, sums: Sequence[str], more: str) -> str:
    right = f"tl.trans({b})" if op.transposed is not None else b
    return f"tl.dot({', '.join([a, right, *sums])}{more})"


def _scalar(text: str, shape: tuple[int, int]) -> str:
    """A block of one number as a scalar."""
    return f"tl.sum(tl.reshape({text}, (1,)), 0)" if shape == (1, 1) else text
