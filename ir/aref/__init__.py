"""The `aref` dialect: the same kernel split into warp roles that exchange tiles through rings in shared memory.

A kernel is still a `tile.kernel` of `tile.parallel` loops. The body of one is what a CTA does for a tile: ops on indices,
rings (`aref.create`, made once a CTA: what they hold runs on from tile to tile), and roles. Roles run at once; tiles
cross from one to another through rings only. See docs/aref.md.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from .base import ROLES, ArefOp
from .lowered import (
    AdvanceOp,
    ArriveOp,
    BarriersOp,
    BarrierWaitOp,
    CopyArriveOp,
    CounterOp,
    CountOp,
    ProxyFenceOp,
    SlotOp,
)
from .movement import BulkStoreOp, CopyOp, ReadOp, StoreOp, StoreWaitOp
from .products import DotOp, MmaOp, ProductOp, StartOp, WaitOp
from .rings import CreateOp, EnterOp, GetEnterOp, GetExitOp, PutEnterOp, PutExitOp, ring_type
from .roles import WARP, WARPGROUP, BarrierArriveOp, BarrierSyncOp, NamedBarrierOp, RoleOp
from .types import (
    BarriersType,
    CounterType,
    FlightType,
    MemoryType,
    RingType,
    ScheduleAttr,
    shape_in,
    tile_bytes,
    tile_in,
)

__all__ = [
    "ROLES",
    "WARP",
    "WARPGROUP",
    "AdvanceOp",
    "Aref",
    "ArefOp",
    "ArriveOp",
    "BarrierArriveOp",
    "BarrierSyncOp",
    "BarrierWaitOp",
    "BarriersOp",
    "BarriersType",
    "BulkStoreOp",
    "CopyArriveOp",
    "CopyOp",
    "CountOp",
    "CounterOp",
    "CounterType",
    "CreateOp",
    "DotOp",
    "EnterOp",
    "FlightType",
    "GetEnterOp",
    "GetExitOp",
    "MemoryType",
    "MmaOp",
    "NamedBarrierOp",
    "ProductOp",
    "ProxyFenceOp",
    "PutEnterOp",
    "PutExitOp",
    "ReadOp",
    "RingType",
    "RoleOp",
    "ScheduleAttr",
    "SlotOp",
    "StartOp",
    "StoreOp",
    "StoreWaitOp",
    "WaitOp",
    "ring_type",
    "shape_in",
    "tile_bytes",
    "tile_in",
]

Aref = Dialect(
    "aref",
    [
        CreateOp, RoleOp, PutEnterOp, PutExitOp, GetEnterOp, GetExitOp, CopyOp, StoreOp, ReadOp, BulkStoreOp, StoreWaitOp,
        StartOp, MmaOp, DotOp, WaitOp, BarrierSyncOp, BarrierArriveOp,
        BarriersOp, CounterOp, CountOp, AdvanceOp, SlotOp, BarrierWaitOp, ArriveOp, CopyArriveOp, ProxyFenceOp,
    ],
    [RingType, MemoryType, FlightType, BarriersType, CounterType, ScheduleAttr],
)  # fmt: skip
