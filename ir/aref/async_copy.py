"""What cp.async can copy. Source: PTX ISA, cp.async (4, 8 or 16 bytes from a multiple of as many)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from xdsl.dialects.builtin import VectorType
from xdsl.ir import SSAValue

from ..dims import Dim
from ..tile import Access, alignment
from ..types import BITS, DTYPE_NAMES

_ONE = Dim.of(1)
WIDTHS = (16, 8, 4)
PIECE = 16
"""Bytes of a row of a slot that lie together whatever its swizzle."""


def copy_bytes(access: Access, column: SSAValue, item_bytes: int) -> int:
    """How many bytes of a row one cp.async may take: 16, 8 or 4; 0 where rows begin at odd elements.

    Strides and offsets that are symbols are taken to be multiples of 16 bytes: the launch description says so.
    """
    steps = [axis.stride for axis in (*access.rows, *access.batch)] + [access.offset]
    known = math.gcd(alignment(column), *(step.value for step in steps if step.is_const)) * item_bytes
    return next((width for width in WIDTHS if known % width == 0), 0)


def why_no_async_copy(access: Access, column: SSAValue, tile: VectorType) -> str | None:
    """Why a tile of that shape cannot be copied by cp.async; None where it can."""
    return next(_reasons(access, column, tile), None)


def _reasons(access: Access, column: SSAValue, tile: VectorType) -> Iterator[str]:
    bytes = BITS[DTYPE_NAMES[tile.element_type]] // 8
    if access.gather is not None:
        yield "its rows are looked up"
    if [axis.stride for axis in access.columns] != [_ONE]:
        yield "its columns do not lie side by side"
    if tile.get_shape()[1] * bytes % PIECE:
        yield f"rows of {tile.get_shape()[1] * bytes} bytes are no multiple of {PIECE}"
    if not copy_bytes(access, column, bytes):
        yield f"its rows begin at odd elements of {bytes} bytes; the least copy takes {WIDTHS[-1]} from a multiple of as many"
