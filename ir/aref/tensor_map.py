"""What a TMA tensor map can address. Source: CUDA driver API, cuTensorMapEncodeTiled."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects.builtin import VectorType

from ..dims import Dim, product
from ..tile import Access
from ..types import BITS, DTYPE_NAMES

_ONE = Dim.of(1)
MOST_DIMS, MOST_ROWS, ALIGNMENT = 5, 256, 16


def why_no_tensor_map(access: Access, tile: VectorType) -> str | None:
    """Why tiles of that shape cannot be copied by TMA; None where they can.

    Strides and offsets that are symbols are taken to be multiples of 16 bytes: the launcher checks them when it encodes the map.
    """
    return next(_reasons(access, tile), None)


def _reasons(access: Access, tile: VectorType) -> Iterator[str]:
    rows, columns = tile.get_shape()
    bytes = BITS[DTYPE_NAMES[tile.element_type]] // 8
    if access.gather is not None:
        yield "its rows are looked up"
    if [axis.stride for axis in access.columns] != [_ONE]:
        yield "its columns do not lie side by side"
    if columns * bytes % ALIGNMENT:
        yield f"rows of {columns * bytes} bytes are no multiple of {ALIGNMENT}"
    inner = product([axis.size for axis in access.rows[1:]])
    if not access.rows or not inner.is_const or rows % inner.value or rows > MOST_ROWS:
        yield f"{rows} rows are no box of the axes {', '.join(str(axis.size) for axis in access.rows) or 'that there are not'}"
    walked = [*access.rows, *(axis for axis in access.batch if axis.stride != Dim())]
    if 1 + len(walked) > MOST_DIMS:
        yield f"{1 + len(walked)} dims are more than {MOST_DIMS}"
    for step in (*(axis.stride for axis in walked), access.offset):
        if step.is_const and step.value * bytes % ALIGNMENT:
            yield f"a stride or offset of {step.value * bytes} bytes is no multiple of {ALIGNMENT}"
    if any(axis.stride == Dim() for axis in access.rows):
        yield "rows lie on top of each other (stride 0)"
