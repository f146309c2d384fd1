"""Is a compiled result right? Integers, booleans, shapes, dtypes and strides as eager has them, floats against float64.

A float is right where its NaNs and infinities are eager's and the rest is no further from float64 than
max(2 × eager's own distance, a bound). The distance is a root mean square of relative errors in which an element smaller
than the median counts as large as that: one huge element hides nothing, and one that cancels to nearly 0 says little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_flatten

BOUNDS = {torch.float64: 1e-13, torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 6e-3}
"""What is granted whatever eager's own distance is: a few roundings of the dtype."""


def differences(ours: Any, eager: Any, exact: Any, bits: Sequence[bool] | None = None) -> list[str]:
    """What is wrong with `ours`, a tree of results: one line each, that begins with its kind. `exact` is the same in
    float64, or None; where `bits` is set, floats are equal in every bit, but for the payload of a NaN."""
    mine, our_tree = tree_flatten(ours)
    theirs, tree = tree_flatten(eager)
    if our_tree != tree:
        return [f"structure: {our_tree} for {tree}"]
    wide = tree_flatten(exact)[0] if exact is not None else [None] * len(theirs)
    equal = bits if bits is not None else [False] * len(theirs)
    every = enumerate(zip(mine, theirs, wide, equal, strict=True))
    return [f"{found} (result {i})" for i, row in every if (found := difference(*row)) is not None]


def difference(ours: Any, eager: Any, exact: Any = None, bits: bool = False) -> str | None:
    """What is wrong with one result."""
    if not isinstance(eager, torch.Tensor):
        same = type(ours) is type(eager) and (ours == eager or (ours != ours and eager != eager))
        return None if same else f"python value: {ours!r} for {eager!r}"
    if not isinstance(ours, torch.Tensor):
        return f"type: {type(ours).__name__} for a tensor"
    for kind, of in (("dtype", _dtype), ("shape", _shape), ("layout", _layout), ("strides", _strides)):
        if of(ours) != of(eager):
            return f"{kind}: {of(ours)} for {of(eager)}"
    return _numbers(ours, eager, exact, bits)


def _numbers(ours: torch.Tensor, eager: torch.Tensor, exact: Any, bits: bool) -> str | None:
    ours, eager = plain(ours), plain(eager)
    if not eager.numel():
        return None
    if not eager.is_floating_point():
        return None if torch.equal(ours, eager) else f"values: {_first(ours, eager, ours != eager)} of {eager.dtype}"
    if not torch.equal(ours.isnan(), eager.isnan()):
        return f"NaN pattern: {_first(ours, eager, ours.isnan() != eager.isnan())} of {eager.dtype}"
    infinite = (ours.isinf() | eager.isinf()) & (ours != eager)
    if infinite.any():
        return f"infinity: {_first(ours, eager, infinite)} of {eager.dtype}"
    if bits:
        wrong = ((ours != eager) | (ours.signbit() != eager.signbit())) & ~eager.isnan()
        if not wrong.any():
            return None
        kind = "sign of zero" if bool((ours == eager)[~eager.isnan()].all()) else "bits"
        return f"{kind}: {_first(ours, eager, wrong)} of {eager.dtype}"
    reference = eager.double() if not isinstance(exact, torch.Tensor) else plain(exact).double()
    if reference.shape != eager.shape:
        reference = eager.double()
    mine, theirs = distance(ours, reference), distance(eager, reference)
    allowed = max(2 * theirs, BOUNDS[eager.dtype])
    if mine <= allowed:
        return None
    return f"distance: {mine:.1e} from float64, eager {theirs:.1e}, allowed {allowed:.1e} of {eager.dtype}"


def distance(value: torch.Tensor, exact: torch.Tensor) -> float:
    """How far a value is from float64's, over the elements that are finite in both."""
    value = value.double()
    finite = value.isfinite() & exact.isfinite()
    value, exact = value[finite], exact[finite]
    if not exact.numel():
        return 0.0
    size = exact.abs()
    typical = size[size > 0].median() if bool((size > 0).any()) else size.new_tensor(1.0)
    found = float(((value - exact).abs() / size.clamp_min(typical)).square().mean().sqrt())
    return found if math.isfinite(found) else math.inf


def plain(value: torch.Tensor) -> torch.Tensor:
    """Detached, dense, with complex numbers as pairs."""
    value = value.detach()
    if value.layout != torch.strided:
        value = value.to_dense()
    if value.is_complex():
        value = torch.view_as_real(value.resolve_conj())
    return value.resolve_neg()


def _dtype(value: torch.Tensor) -> str:
    return str(value.dtype)


def _shape(value: torch.Tensor) -> list[int]:
    return list(value.shape)


def _layout(value: torch.Tensor) -> str:
    return str(value.layout)


def _strides(value: torch.Tensor) -> list[int]:
    """Strides that matter: of axes longer than 1, of tensors that have elements."""
    if value.layout != torch.strided or not value.numel():
        return []
    return [stride for stride, size in zip(value.stride(), value.shape, strict=True) if size > 1]


def _first(ours: torch.Tensor, eager: torch.Tensor, wrong: torch.Tensor) -> str:
    place = tuple(int(i) for i in wrong.nonzero()[0])
    return f"{ours[place].item()} for {eager[place].item()} at {list(place)}, {int(wrong.sum())} of {wrong.numel()}"
