"""What a tensor map is made of, and when there can be none. Source of the rules: CUDA driver API, cuTensorMapEncodeTiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..artifact import ITEM_SIZES
from ..launch import TensorMap

WORDS = 16
"""Of 8 bytes, in a CUtensorMap."""
MOST_DIMS, MOST_BOX, ALIGNMENT = 5, 256, 16
MOST_SIZE, MOST_STRIDE = 2**32, 2**40


class MapShape(NamedTuple):
    """A tensor map but for its address, for given sizes. Outermost dim first; `strides` and `offset` in bytes, `sizes` and
    `box` in elements."""

    dtype: str
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    box: tuple[int, ...]
    swizzle: int

    @staticmethod
    def of(described: TensorMap, values: Sequence[int]) -> MapShape:
        """`values`: of its sizes, its strides and its offset, one after the other."""
        item, rank = ITEM_SIZES[described.dtype], len(described.sizes)
        strides = tuple(n * item for n in values[rank : 2 * rank])
        return MapShape(
            described.dtype, tuple(values[:rank]), strides, values[-1] * item, described.box, described.swizzle
        )


def texts(described: TensorMap) -> tuple[str, ...]:
    """The expressions whose values `MapShape.of` takes."""
    return (*described.sizes, *described.strides, described.offset)


def refusal(shape: MapShape, address: int) -> str:
    """Why no map can be made of a buffer that begins at `address`, or nothing."""
    if len(shape.sizes) != len(shape.box):
        return f"a box of {len(shape.box)} dims for {len(shape.sizes)}"
    if not 2 <= len(shape.sizes) <= MOST_DIMS:
        return f"{len(shape.sizes)} dims; 2 to {MOST_DIMS} are supported"
    item, outer = ITEM_SIZES[shape.dtype], shape.strides[:-1]
    inner = shape.box[-1] * item
    rules = (
        (min(shape.sizes) < 1, "an empty tensor"),
        (max(shape.sizes) > MOST_SIZE, f"{max(shape.sizes)} elements along a dim; {MOST_SIZE} is the most"),
        (shape.strides[-1] != item, f"columns {shape.strides[-1]} bytes apart"),
        (any(step % ALIGNMENT for step in outer), f"rows of {max(outer)} bytes, which are no multiple of 16"),
        (not all(0 <= step < MOST_STRIDE for step in outer), f"rows {max(outer, key=abs)} bytes apart"),
        ((address + shape.offset) % ALIGNMENT != 0, "an address that is no multiple of 16"),
        (max(shape.box) > MOST_BOX, f"a box of {max(shape.box)} elements along a dim; {MOST_BOX} is the most"),
        (inner % ALIGNMENT != 0, f"rows of a box of {inner} bytes, which are no multiple of 16"),
        (0 < shape.swizzle < inner, f"rows of a box of {inner} bytes in a swizzle of {shape.swizzle}"),
    )
    return next((why for broken, why in rules if broken), "")
