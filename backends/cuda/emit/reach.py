"""How far into a buffer a kernel reaches: what a launch description says of buffers that only their accesses describe."""

from __future__ import annotations

from functools import reduce

from xdsl.ir import SSAValue

from ....ir import aref, tile
from ....ir.dims import Dim


def elements(kernel: tile.KernelOp, buffer: SSAValue) -> Dim:
    """Elements from the buffer's first to the last that the kernel may read or write, for sizes that are not 0."""
    found = [entries for index, entries, _ in kernel.lookups if index is buffer]
    for op in kernel.walk():
        match op:
            case tile.LoadOp() | tile.StoreOp() | aref.CopyOp() | aref.BulkStoreOp() if op.buffer is buffer:
                found.append(_extent(op.access.data))
            case tile.LoadIndexOp() if op.buffer is buffer:
                found.append(op.size.data)
            case _:
                pass
    return reduce(Dim.max, found) if found else Dim()


def _extent(access: tile.Access) -> Dim:
    last = access.offset
    for number, axis in enumerate((*access.rows, *access.columns, *access.batch)):
        looked_up = access.gather is not None and access.gather.axis == number
        size = access.gather.extent if looked_up and access.gather is not None else axis.size
        last += (size - 1) * axis.stride
    return last + 1
