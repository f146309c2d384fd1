"""What the tensors of generated programs hold. Equal arguments give equal tensors; a script of a finding imports this.

Inside `wide()` the floats come as float64, with the values that they have in their own dtype.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch

EDGES = (float("nan"), float("inf"), -float("inf"), -0.0, 0.0, 1e-40, -3e-45, 65504.0, 7e4, 3e38, 1e-7)
"""NaN, infinities, zeros, a denormal in f32 and the smallest, f16's largest and one beyond it, close to f32's largest."""

_wide = False


@contextlib.contextmanager
def wide() -> Iterator[None]:
    """Floats are float64, made here or by a function without a dtype."""
    global _wide
    before, _wide = (_wide, torch.get_default_dtype()), True
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        _wide = before[0]
        torch.set_default_dtype(before[1])


def normal(shape: Sequence[int], dtype: torch.dtype, seed: int) -> torch.Tensor:
    """Normally distributed numbers."""
    return _floats(torch.randn(shape, generator=_source(seed), dtype=torch.float32), dtype)


def small(shape: Sequence[int], dtype: torch.dtype, seed: int) -> torch.Tensor:
    """Multiples of a quarter from -2 to 2: few operations round them."""
    return _floats(torch.randint(-8, 9, shape, generator=_source(seed)) / 4, dtype)


def edge(shape: Sequence[int], dtype: torch.dtype, seed: int) -> torch.Tensor:
    """Normally distributed, with about a third of the numbers from `EDGES`."""
    source = _source(seed)
    value = torch.randn(shape, generator=source, dtype=torch.float32)
    drawn = torch.tensor(EDGES, dtype=torch.float32)[torch.randint(len(EDGES), shape, generator=source)]
    return _floats(torch.where(torch.rand(shape, generator=source, dtype=torch.float32) < 0.3, drawn, value), dtype)


def ints(shape: Sequence[int], dtype: torch.dtype, seed: int, low: int = -9, high: int = 9) -> torch.Tensor:
    """From `low` to `high`, in uint8 without the sign."""
    drawn = torch.randint(low, high + 1, shape, generator=_source(seed))
    return (drawn.abs() if dtype is torch.uint8 else drawn).to(dtype)


def extremes(shape: Sequence[int], dtype: torch.dtype, seed: int) -> torch.Tensor:
    """The dtype's smallest and largest integers, their neighbours, and small ones."""
    info, source = torch.iinfo(dtype), _source(seed)
    drawn = torch.tensor([info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 3, 7], dtype=dtype)
    return drawn[torch.randint(len(drawn), shape, generator=source)]


def bools(shape: Sequence[int], seed: int) -> torch.Tensor:
    """True and False."""
    return torch.rand(shape, generator=_source(seed), dtype=torch.float32) < 0.5


def mask(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Booleans for attention: some rows allow nothing, some everything."""
    drawn = bools(shape, seed)
    if drawn.numel():
        drawn[..., 0, :] = False
        drawn[..., -1, :] = True
    return drawn


def _floats(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    rounded = value.to(dtype)
    return rounded.double() if _wide else rounded


def _source(seed: int) -> torch.Generator:
    return torch.Generator(device="cpu").manual_seed(seed)
