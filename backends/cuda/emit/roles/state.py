"""What the printers of a role's ops share: where its tiles, slots and barriers are, and who acts for the role."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects import scf
from xdsl.ir import SSAValue

from .....ir import aref, tile
from .....ir.aref.limits import BARRIER_BYTES
from ..context import Context
from ..layouts import WARPGROUP_ROWS
from ..shared import SharedMemory, TileMemory
from ..tensor_maps import TensorMap
from ..tiles import Tiles

ALONE = (
    aref.BarrierWaitOp, aref.ArriveOp, aref.CopyOp, aref.BulkStoreOp, aref.StoreWaitOp, aref.CountOp, aref.AdvanceOp,
    aref.SlotOp, scf.ForOp, scf.IfOp, scf.YieldOp, tile.SizeOp, tile.LoadIndexOp,
)  # fmt: skip
"""What one thread does for its whole role."""


@dataclass(frozen=True)
class Memory:
    """A tile in shared memory: the variable with its address, and how it lies."""

    address: str
    held: TileMemory

    @property
    def swizzle(self) -> str:
        """As the header names it."""
        return f"ww::Swizzle::{f'bytes{self.held.swizzle}' if self.held.swizzle else 'none'}"


@dataclass
class RoleState:
    """`maps`: the tensor maps of the kernel, by name; `tiles` has the tiles in registers, flights included."""

    ctx: Context
    role: aref.RoleOp
    shared: SharedMemory
    barriers: dict[SSAValue, str]
    maps: dict[TensorMap, str]
    tiles: Tiles = field(init=False)
    memories: dict[SSAValue, Memory] = field(default_factory=dict[SSAValue, Memory])
    counters: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])

    def __post_init__(self) -> None:
        self.tiles = Tiles(self.ctx)

    @property
    def is_alone(self) -> bool:
        """Whether one elected thread does all of it."""
        ops = [op for op in self.role.walk() if op is not self.role]
        return self.role.warps.data == 1 and all(isinstance(op, ALONE) or tile.is_index(op) for op in ops)

    @property
    def blocks(self) -> int:
        """Tiles of 64 rows that each of its warpgroups holds: more than one of products by `mma` only."""
        dots = [op for op in self.role.walk() if isinstance(op, aref.DotOp)]
        return aref.shape_in(dots[0].result)[0] // (WARPGROUP_ROWS * self.role.warpgroups) if dots else 1

    def place_rows(self) -> None:
        """Where the thread's rows begin in the tile of the role, of which `group` counts 64 each."""
        offset = f"group * {WARPGROUP_ROWS} + " if self.role.warpgroups * self.blocks > 1 else ""
        row = f"ww::accumulator_row(ww::thread_index() % {aref.WARP * aref.WARPGROUP}, 0)"
        self.ctx.out(f"[[maybe_unused]] const int lane_row = {offset}{row};")

    def by_one(self, statement: str) -> None:
        """What one thread does for the role: the thread that runs it alone, or an elected one."""
        self.ctx.out(statement if self.is_alone else f"if (chosen) {statement}")

    def barrier(self, op: aref.BarrierWaitOp | aref.ArriveOp | aref.CopyArriveOp | aref.CopyOp) -> str:
        assert op.barriers is not None
        assert op.stage is not None
        return f"{self.barriers[op.barriers]} + {BARRIER_BYTES} * {self.ctx.symbols.index(op.stage)}"
