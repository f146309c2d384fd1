"""Integer tensors that are affine in their indices: `const + sum of step * index`, found by looking at what makes them.

Position ids, their offsets and slices are such tensors; so comparisons of them are conditions on indices, and a causal
mask is one. Axes count from the last (-1), as broadcasting aligns them. A dim of one has no step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from xdsl.ir import Operation, SSAValue

from ..ir.dims import Dim
from ..ir.flow import (
    BroadcastOp,
    CastOp,
    ConcatOp,
    ConstantOp,
    DimValueOp,
    IotaOp,
    PointwiseOp,
    ReshapeOp,
    SliceOp,
    TransposeOp,
)
from ..ir.types import is_float, shape_of, tensor_type
from .matching import ONE, drop_units


@dataclass(frozen=True)
class Affine:
    """`const` + the sum of `steps[axis]` · (index along that axis) + the sum of `numbers[v]` · v.

    Axes are negative; numbers are integer tensors of rank 0; no factor is zero.
    """

    const: Dim
    steps: Mapping[int, int] = field(default_factory=dict[int, int])
    numbers: Mapping[SSAValue, int] = field(default_factory=dict[SSAValue, int])

    def __add__(self, other: Affine) -> Affine:
        return Affine(self.const + other.const, _sum(self.steps, other.steps), _sum(self.numbers, other.numbers))

    def __neg__(self) -> Affine:
        return self.times(-1)

    def __sub__(self, other: Affine) -> Affine:
        return self + -other

    def times(self, factor: int) -> Affine:
        if not factor:
            return Affine(Dim())
        steps = {a: s * factor for a, s in self.steps.items()}
        return Affine(self.const * factor, steps, {v: n * factor for v, n in self.numbers.items()})

    def shifted(self, by: int) -> Affine:
        return replace(self, const=self.const + by)

    @property
    def constant(self) -> int | None:
        """The one value of all elements where it is known."""
        return self.const.value if not self.steps and not self.numbers and self.const.is_const else None


Key = TypeVar("Key")


def _sum(a: Mapping[Key, int], b: Mapping[Key, int]) -> dict[Key, int]:
    return {key: total for key in {**a, **b} if (total := a.get(key, 0) + b.get(key, 0))}


def affine(value: SSAValue) -> Affine | None:
    """The affine form of an integer tensor in its indices alone, None where there is none."""
    form = _form(value)
    return form if form is not None and not form.numbers else None


def _form(value: SSAValue) -> Affine | None:
    """The affine form of an integer tensor in its indices and in numbers."""
    if not _is_integer(value):
        return None
    rule = _RULES.get(type(value.owner)) if isinstance(value.owner, Operation) else None
    form = rule(value.owner) if rule is not None else None
    return Affine(Dim(), numbers={value: 1}) if form is None and not shape_of(value) else form


def _is_integer(value: SSAValue) -> bool:
    element = tensor_type(value)
    return not is_float(element.element) and element.dtype != "i1"


def _iota(op: IotaOp) -> Affine:
    axis = op.axis.data - op.type.rank
    return Affine(op.start.data, {axis: op.step.data} if op.shape[axis] != ONE and op.step.data else {})


def _constant(op: ConstantOp) -> Affine:
    return Affine(Dim.of(int(op.number)))


def _pointwise(op: PointwiseOp) -> Affine | None:
    forms = [_form(v) for v in op.inputs]
    if any(f is None for f in forms):
        return None
    match op.kind.data, forms:
        case "add", [Affine() as a, Affine() as b]:
            return a + b
        case "sub", [Affine() as a, Affine() as b]:
            return a - b
        case "neg", [Affine() as a]:
            return -a
        case "mul", [Affine() as a, Affine() as b]:
            factor, form = (b.constant, a) if b.constant is not None else (a.constant, b)
            return form.times(factor) if factor is not None else None
        case _:
            return None


def _reshape(op: ReshapeOp) -> Affine | None:
    form = _form(op.input)
    axes = reshaped_axes(op)
    if form is None or axes is None:
        return None
    return replace(form, steps={axes[a]: s for a, s in form.steps.items()})


def reshaped_axes(op: ReshapeOp) -> dict[int, int] | None:
    """Where a reshape that inserts or drops dims of one takes each other axis; None for another reshape."""
    before, after = shape_of(op.input), op.shape
    if drop_units(before) != drop_units(after):
        return None
    sources = [i - len(before) for i, d in enumerate(before) if d != ONE]
    return dict(zip(sources, (i - len(after) for i, d in enumerate(after) if d != ONE), strict=True))


def _transpose(op: TransposeOp) -> Affine | None:
    form, rank = _form(op.input), op.type.rank
    if form is None:
        return None
    return replace(form, steps={op.order.index(a + rank) - rank: s for a, s in form.steps.items()})


def _slice(op: SliceOp) -> Affine | None:
    form, rank = _form(op.input), op.type.rank
    if form is None:
        return None
    const = form.const
    steps: dict[int, int] = {}
    for axis, step in form.steps.items():
        const = const + op.starts.data[axis + rank].data * step
        if op.shape[axis] != ONE:
            steps[axis] = step * op.steps.data[axis + rank].data
    return replace(form, const=const, steps=steps)


def _concat(op: ConcatOp) -> Affine | None:
    """Pieces that continue each other."""
    axis = op.axis.data - op.type.rank
    forms = [_form(v) for v in op.inputs]
    sizes = [shape_of(v)[axis] for v in op.inputs]
    found = [f for f in forms if f is not None]
    if len(found) != len(forms) or any(f.numbers for f in found):
        return None
    step = next((f.steps.get(axis, 0) for f, n in zip(found, sizes, strict=True) if n != ONE), None)
    if step is None:
        difference = found[1].const - found[0].const if len(found) > 1 else Dim()
        step = difference.value if difference.is_const else None
    if step is None:
        return None
    expected, others = found[0].const, _without(found[0], axis)
    for form, size in zip(found, sizes, strict=True):
        stepped = size == ONE or form.steps.get(axis, 0) == step
        if form.const != expected or _without(form, axis) != others or not stepped:
            return None
        expected = expected + size * step
    return Affine(found[0].const, {**others, **({axis: step} if step else {})})


def _without(form: Affine, axis: int) -> dict[int, int]:
    return {a: s for a, s in form.steps.items() if a != axis}


_RULES: dict[type[Operation], Callable[..., Affine | None]] = {
    IotaOp: _iota,
    ConstantOp: _constant,
    DimValueOp: lambda op: Affine(op.dim.data),
    CastOp: lambda op: _form(op.input),
    BroadcastOp: lambda op: _form(op.input),
    PointwiseOp: _pointwise,
    ReshapeOp: _reshape,
    TransposeOp: _transpose,
    SliceOp: _slice,
    ConcatOp: _concat,
}


def conditions(value: SSAValue) -> list[SSAValue | Affine] | None:
    """What a boolean tensor is the conjunction of: an affine form stands for `form ≤ 0`, a value for itself.

    Values broadcast to the tensor's shape; None where nothing but the tensor itself is known.
    """
    owner = value.owner
    if isinstance(owner, BroadcastOp):
        return conditions(owner.input)
    if isinstance(owner, ReshapeOp):
        return _reshaped_conditions(owner)
    if isinstance(owner, ConstantOp):
        return [] if owner.number else None
    if not isinstance(owner, PointwiseOp):
        return None
    if owner.kind.data == "and":
        parts = [(v, conditions(v)) for v in owner.inputs]
        return [c for v, found in parts for c in ([v] if found is None else found)]
    form = comparison(owner)
    return [form] if form is not None else None


def _reshaped_conditions(op: ReshapeOp) -> list[SSAValue | Affine] | None:
    """Dims of one in front change nothing; elsewhere only affine forms are known to follow."""
    inner, before, axes = conditions(op.input), shape_of(op.input), reshaped_axes(op)
    if inner is None or axes is None:
        return None
    if op.shape[len(op.shape) - len(before) :] == before:
        return inner
    forms = [replace(f, steps={axes[a]: s for a, s in f.steps.items()}) for f in inner if isinstance(f, Affine)]
    return [*forms] if len(forms) == len(inner) else None


def comparison(op: PointwiseOp) -> Affine | None:
    """The form that is ≤ 0 where a comparison of affine integers holds; beside indices, numbers may stand in it."""
    if op.kind.data not in ("le", "lt", "ge", "gt"):
        return None
    a, b = (_form(v) for v in op.inputs)
    if a is None or b is None:
        return None
    table = {"le": a - b, "lt": (a - b).shifted(1), "ge": b - a, "gt": (b - a).shifted(1)}
    form = table[op.kind.data]
    return form if form.steps or not form.numbers else None


def always(op: PointwiseOp) -> bool | None:
    """The truth of a comparison of integers where it is one for all elements and known."""
    if op.kind.data not in ("le", "lt", "ge", "gt", "eq", "ne"):
        return None
    a, b = (affine(v) for v in op.inputs)
    difference = (a - b).constant if a is not None and b is not None else None
    if difference is None:
        return None
    tests = {"le": difference <= 0, "lt": difference < 0, "ge": difference >= 0, "gt": difference > 0}
    return {**tests, "eq": difference == 0, "ne": difference != 0}[op.kind.data]


def unit_axes(forms: Sequence[Affine]) -> list[int] | None:
    """The one axis that each form steps along by one, where they are in order; None otherwise."""
    axes = [next(iter(f.steps)) for f in forms if list(f.steps.values()) == [1]]
    return axes if len(axes) == len(forms) and axes == sorted(set(axes)) else None
