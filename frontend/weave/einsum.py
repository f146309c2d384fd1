"""Einsum statements in flow: products that sum over shared indices become linears and matrix products, the rest is
computed over all indices and reduced.

A product of several factors is contracted from left to right, each partial result rounded to the factors' dtype; factors
and divisors that depend on no summed index are applied to the sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.ir import Operation, SSAValue

from ...ir import flow
from ...ir.dims import Dim, product
from ...ir.types import dtype_of, shape_of
from . import tree
from .errors import Fault
from .functions import Space

if TYPE_CHECKING:
    from .expressions import Expressions


@dataclass(frozen=True)
class Factor:
    """A tensor with a name for each of its axes."""

    value: SSAValue
    indices: tuple[str, ...]


def lower_einsum(lower: Expressions, statement: tree.Einsum) -> SSAValue:
    """The value of an einsum statement. Raises WeaveError where indices, sizes or dtypes do not fit."""
    sizes = index_sizes(lower, statement.value)
    out = output_indices(lower, statement, sizes)
    summed = [i for i in sizes if i not in out]
    if statement.running and not summed:
        raise lower.error("nothing is reduced here", statement.span, "leave out `running`")
    space = Space({i: sizes[i] for i in (*out, *summed)})
    try:
        value = _value(lower, statement, space, out, summed)
    except Fault as fault:
        raise lower.error(fault.what, statement.value.span, fault.hint) from None
    return lower.cast(value, lower.dtype(statement.dtype)) if statement.dtype is not None else value


def index_sizes(lower: Expressions, value: tree.Expr) -> dict[str, Dim]:
    """The indices of an expression with the sizes of the dims that they run over, in the order they are written."""
    sizes: dict[str, Dim] = {}
    for access in (node for node in tree.walk(value) if isinstance(node, tree.Index)):
        shape = shape_of(lower.element(access))
        seen: set[str] = set()
        for index, size in zip(access.indices, shape, strict=True):
            if index.name in seen:
                hint = f"for a diagonal, sum over two indices: `where({index.name} == j, ..., 0)`"
                raise lower.error(f"index `{index.name}` stands twice in one access", index.span, hint)
            if index.name in lower.values:
                raise lower.error(f"index `{index.name}` has the name of a value", index.span, "choose another name")
            known = sizes.setdefault(index.name, size)
            if known != size:
                what = f"index `{index.name}` runs over {known} elements elsewhere, and over {size} here"
                raise lower.error(what, index.span, "one index runs over dims of one size")
            seen.add(index.name)
    return sizes


def output_indices(lower: Expressions, statement: tree.Einsum, sizes: dict[str, Dim]) -> list[str]:
    out: list[str] = []
    for index in statement.indices:
        if index.name in out:
            raise lower.error(f"index `{index.name}` stands twice on the left", index.span)
        if index.name not in sizes:
            hint = f"on the right are {', '.join(f'`{i}`' for i in sizes) or 'no indices'}"
            raise lower.error(f"index `{index.name}` stands on the left only", index.span, hint)
        out.append(index.name)
    return out


def _value(
    lower: Expressions, statement: tree.Einsum, space: Space, out: Sequence[str], summed: Sequence[str]
) -> SSAValue:
    if statement.reducer == "sum" and summed:
        return contracted(lower, statement.value, space, out)
    whole = lower.over(statement.value, space)
    shape = tuple(space.sizes.values())
    if not summed:
        return lower.broadcast(whole, shape)
    axes = list(range(len(out), len(shape)))
    reduced = lower.reduce(statement.reducer, lower.broadcast(whole, shape), axes)
    return lower.reshape(reduced, [space.sizes[i] for i in out])


# ---- sums of products ------------------------------------------------------------------------------------------


def contracted(lower: Expressions, node: tree.Expr, space: Space, out: Sequence[str]) -> SSAValue:
    """The sum over all indices that are not in `out`."""
    factors: list[Factor] = []
    after: list[tuple[str, tree.Expr]] = []
    for kind, part in _parts(node):
        indices = _indices(part, space)
        if set(indices) <= set(out):
            after.append((kind, part))
        elif kind == "div":
            factors.append(_divided(lower, part, indices, space))
        else:
            factors.append(_factor(lower, part, indices, space))
    dtype = _one_dtype(factors)
    total = factors[0]
    for position, factor in enumerate(factors[1:], 2):
        later = {i for f in factors[position:] for i in f.indices}
        total = _contract(lower, total, factor, {*out, *later}, space, dtype)
    total = _sum_over(lower, total, set(out), space)
    missing = [i for i in space.sizes if i not in out and not any(i in f.indices for f in factors)]
    if missing:
        raise Fault(f"index `{missing[0]}` is summed over, and stands in a divisor only", "move it to a statement")
    target = Space({i: space.sizes[i] for i in out})
    value = lower.aligned(total.value, total.indices, target)
    for kind, part in after:
        with lower.within(target, {}):
            applied = lower.apply(kind, [value, lower.expr(part)])
        assert isinstance(applied, SSAValue)
        value = applied
    return lower.broadcast(value, tuple(target.sizes.values()))


def _parts(node: tree.Expr) -> list[tuple[str, tree.Expr]]:
    """The factors of a product, and what it is divided by."""
    if isinstance(node, tree.Binary) and node.operator == "*":
        return _parts(node.lhs) + _parts(node.rhs)
    if isinstance(node, tree.Binary) and node.operator == "/":
        return [*_parts(node.lhs), ("div", node.rhs)]
    return [("mul", node)]


def _indices(node: tree.Expr, space: Space) -> tuple[str, ...]:
    """The indices in an expression, as the space orders them."""
    found = {n.name for n in tree.walk(node) if isinstance(n, tree.Name)}
    return tuple(i for i in space.sizes if i in found)


def _factor(lower: Expressions, node: tree.Expr, indices: tuple[str, ...], space: Space) -> Factor:
    if isinstance(node, tree.Index):
        return Factor(lower.element(node), tuple(i.name for i in node.indices))
    inner = Space({i: space.sizes[i] for i in indices})
    return Factor(lower.broadcast(lower.over(node, inner), tuple(inner.sizes.values())), indices)


def _divided(lower: Expressions, node: tree.Expr, indices: tuple[str, ...], space: Space) -> Factor:
    whole = _factor(lower, node, indices, space)
    return Factor(lower.pointwise("reciprocal", whole.value), whole.indices)


def _one_dtype(factors: Sequence[Factor]) -> str:
    found = list(dict.fromkeys(dtype_of(f.value) for f in factors))
    if len(found) > 1:
        raise Fault(f"a product of {' and '.join(found)}", "convert the factors to one dtype, as in `x[i] as bf16`")
    if found[0].startswith(("i", "u")):
        raise Fault(f"a sum of {found[0]}", "sums are of floating-point numbers: `x[i] as f32`")
    return found[0]


def _contract(lower: Expressions, a: Factor, b: Factor, needed: set[str], space: Space, dtype: str) -> Factor:
    """The product of two factors, summed over the indices that nothing else needs."""
    a = _sum_over(lower, a, needed | set(b.indices), space)
    b = _sum_over(lower, b, needed | set(a.indices), space)
    shared = [i for i in a.indices if i in b.indices]
    batch = [i for i in shared if i in needed]
    inner = [i for i in shared if i not in needed]
    if not inner:
        indices = tuple(i for i in space.sizes if i in {*a.indices, *b.indices})
        part = Space({i: space.sizes[i] for i in indices})
        both = [lower.aligned(f.value, f.indices, part) for f in (a, b)]
        return Factor(lower.pointwise("mul", *both), indices)
    if not batch and is_weight(lower, a.value) and not is_weight(lower, b.value):
        a, b = b, a
    rows, columns = ([i for i in f.indices if i not in shared] for f in (a, b))
    sizes = {name: [space.sizes[i] for i in group] for name, group in
             (("batch", batch), ("rows", rows), ("columns", columns), ("inner", inner))}  # fmt: skip
    depth, width = product(sizes["inner"]), product(sizes["columns"])
    if not batch and is_weight(lower, b.value):
        x = lower.reshape(_ordered(lower, a, [*rows, *inner]), [*sizes["rows"], depth])
        weight = lower.reshape(_ordered(lower, b, [*columns, *inner]), [width, depth])
        result = lower.linear(x, weight, None, dtype)
    else:
        lhs = lower.reshape(
            _ordered(lower, a, [*batch, *rows, *inner]), [*sizes["batch"], product(sizes["rows"]), depth]
        )
        rhs = lower.reshape(_ordered(lower, b, [*batch, *inner, *columns]), [*sizes["batch"], depth, width])
        result = lower.matmul(lhs, rhs, dtype)
    value = lower.reshape(result, [*sizes["batch"], *sizes["rows"], *sizes["columns"]])
    return Factor(value, (*batch, *rows, *columns))


def _sum_over(lower: Expressions, factor: Factor, needed: set[str], space: Space) -> Factor:
    """The factor summed over the indices that are not needed."""
    axes = [axis for axis, i in enumerate(factor.indices) if i not in needed]
    if not axes:
        return factor
    kept = tuple(i for i in factor.indices if i in needed)
    return Factor(lower.reshape(lower.reduce("sum", factor.value, axes), [space.sizes[i] for i in kept]), kept)


def _ordered(lower: Expressions, factor: Factor, indices: Sequence[str]) -> SSAValue:
    return lower.transpose(factor.value, [factor.indices.index(i) for i in indices])


def is_weight(lower: Expressions, value: SSAValue) -> bool:
    """Whether a value is a weight, or made of weights and numbers only."""
    if value in lower.weights:
        return True
    op = value.owner
    if not isinstance(op, Operation) or isinstance(op, flow.KVAppendOp):
        return False
    operands = [v for v in op.operands if not isinstance(v.owner, flow.ConstantOp)]
    return bool(operands) and all(is_weight(lower, v) for v in operands)
