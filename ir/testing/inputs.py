"""Inputs for @main of any module, drawn from a seed: sizes that fit, and numbers that respect what they are for.

Floats are normal numbers, weights scaled by their columns; truth values mostly true, the first of each row always (no row
of a mask is empty); narrow integers that index nothing are any; other integers stay below every table that they index, cache
positions are distinct and ascending; an argument that carries a size has it. With `edges`, floats are also NaN, infinite, -0.0,
subnormal and the largest of their type, and rows of a mask may be empty.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument

from ..dims import Dim
from ..reference import TORCH_DTYPES
from ..signature import dim_of, functions_of, kind_of, role_of, strides_of
from ..tile import NUM_THREADS
from ..types import tensor_type
from .limits import NUMBER, OFFSETS, PERMUTATION, POSITION, Limits
from .sizes import choose_sizes

_ANY = (torch.int8, torch.uint8, torch.int16, torch.int32)
"""Integers of these types that index nothing are any."""
ONE_IN = 24


@dataclass(frozen=True)
class Inputs:
    """Arguments of @main in order, in the types and strides it declares, and the value of each dim symbol."""

    arguments: tuple[torch.Tensor, ...]
    symbols: Mapping[str, int]


def draw(module: ModuleOp, seed: int = 0, symbols: Mapping[str, int] | None = None, *, edges: bool = False) -> Inputs:
    """Inputs for @main; the same ones for the same module, seed and symbols. `symbols`: sizes that the caller chooses.
    `edges`: one number in `ONE_IN` is at the edge of its type (`_at_edges`).

    Raises ValueError where no small sizes satisfy the module's reshapes, slices and caches.
    """
    main = functions_of(module)["main"]
    sizes = choose_sizes(module, random.Random(seed), {NUM_THREADS: 3, **(symbols or {})})
    limits = Limits(module, sizes)
    generator = torch.Generator().manual_seed(seed)
    arguments = [_argument(arg, sizes, limits, generator, edges) for arg in main.body.block.args]
    return Inputs(tuple(arguments), sizes)


def in_layout(value: torch.Tensor, strides: Sequence[Dim] | None, symbols: Mapping[str, int]) -> torch.Tensor:
    """A copy with these strides; contiguous for None."""
    if strides is None:
        return value.clone(memory_format=torch.contiguous_format)
    steps = [s.evaluate(symbols) for s in strides]
    return torch.empty_strided(value.shape, steps, dtype=value.dtype).copy_(value)


def _argument(
    arg: BlockArgument, sizes: Mapping[str, int], limits: Limits, generator: torch.Generator, edges: bool
) -> torch.Tensor:
    type_ = tensor_type(arg)
    dim = dim_of(arg)
    if kind_of(arg) != "tensor":
        return torch.tensor(dim.evaluate(sizes) if dim is not None else 0)
    shape = [d.evaluate(sizes) for d in type_.shape]
    dtype = TORCH_DTYPES[type_.dtype]
    if dtype == torch.bool:
        value = torch.rand(shape, generator=generator) > 0.2
        if not edges:
            value[..., :1] = True
        elif value.dim() > 1:
            value &= torch.rand([*shape[:-1], 1], generator=generator) > 1 / ONE_IN
    elif dtype.is_floating_point:
        value = torch.randn(shape, generator=generator, dtype=torch.float64)
        value = _scaled(value, role_of(arg)).to(dtype)
        value = _at_edges(value, generator) if edges else value
    else:
        limit, use = limits.of(arg)
        if use == NUMBER and dtype in _ANY:
            info = torch.iinfo(dtype)
            value = torch.randint(info.min, info.max + 1, shape, generator=generator, dtype=torch.int64).to(dtype)
        else:
            value = _integers(shape, limit, use, generator).to(dtype)
    return in_layout(value, strides_of(arg), sizes)


def _scaled(value: torch.Tensor, role: str) -> torch.Tensor:
    """Matrices of weights keep the size of what they multiply; vectors of weights lie around 1, as scales do."""
    if role != "weight":
        return value
    return value / max(1, value.shape[-1]) ** 0.5 if value.dim() > 1 else 1 + 0.2 * value


def _at_edges(value: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """One number in `ONE_IN` is NaN, infinite, -0.0, subnormal, or as large or as small as the type has."""
    info = torch.finfo(value.dtype)
    subnormal = info.smallest_normal / 4
    choices = [
        torch.nan,
        torch.inf,
        -torch.inf,
        -0.0,
        0.0,
        subnormal,
        -subnormal,
        info.max,
        -info.max,
        info.smallest_normal,
    ]
    drawn = torch.tensor(choices, dtype=value.dtype)[torch.randint(len(choices), value.shape, generator=generator)]
    return torch.where(torch.rand(value.shape, generator=generator) < 1 / ONE_IN, drawn, value)


def _integers(shape: list[int], limit: int, use: str, generator: torch.Generator) -> torch.Tensor:
    """Integers in [0, limit); of vectors: positions one after the other, offsets that rise from 0, each row's place once."""
    if use == OFFSETS:
        between = torch.randint(0, limit, (shape[0] - 2,), generator=generator)
        return torch.cat([torch.tensor([0, limit - 1]), between]).sort().values
    if use == PERMUTATION and shape == [limit]:
        return torch.randperm(limit, generator=generator)
    if use == POSITION and len(shape) == 1:
        start = int(torch.randint(0, max(1, limit - shape[0] + 1), (), generator=generator))
        return start + torch.arange(shape[0])
    return torch.randint(0, max(1, limit), shape, generator=generator)
