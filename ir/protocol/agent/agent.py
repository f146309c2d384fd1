"""An agent, whole: the table of what each op does."""

from __future__ import annotations

from typing import ClassVar

from ... import aref
from .data import Data
from .walker import Steps


class Agent(Data):
    """One warpgroup of a role, or in a simulator all of it."""

    steps: ClassVar[Steps] = {
        aref.PutEnterOp: Data.put_enter,
        aref.PutExitOp: Data.put_exit,
        aref.GetEnterOp: Data.get_enter,
        aref.GetExitOp: Data.get_exit,
        aref.CopyOp: Data.copy,
        aref.StoreOp: Data.store,
        aref.ReadOp: Data.read,
        aref.StartOp: Data.start,
        aref.MmaOp: Data.mma,
        aref.DotOp: Data.dot,
        aref.WaitOp: Data.wait,
        aref.BulkStoreOp: Data.bulk_store,
        aref.StoreWaitOp: Data.store_wait,
        aref.BarrierArriveOp: Data.barrier_arrive,
        aref.BarrierSyncOp: Data.barrier_sync,
        aref.SlotOp: Data.slot,
        aref.CountOp: Data.count,
        aref.AdvanceOp: Data.advance,
        aref.BarrierWaitOp: Data.barrier_wait,
        aref.ArriveOp: Data.arrive,
        aref.CopyArriveOp: Data.copy_arrive,
        aref.ProxyFenceOp: Data.proxy_fence,
    }
