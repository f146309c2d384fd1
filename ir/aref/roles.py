"""Roles: groups of warps of one CTA, each with a program of its own."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import IntAttr, StringAttr, SymbolNameConstraint
from xdsl.ir import Block, Region
from xdsl.irdl import irdl_op_definition, opt_prop_def, prop_def, region_def, traits_def
from xdsl.traits import NoTerminator
from xdsl.utils.exceptions import VerifyException

from .base import ROLES, ArefOp

WARP = 32
WARPGROUP = 4


@irdl_op_definition
class RoleOp(ArefOp):
    """What `warps` warps of a CTA do for each of its tiles; all roles of a CTA run at once.

    The body sees the indices, buffers and rings of its `tile.parallel`, nothing of other roles.
    `registers`: of one thread (setmaxnreg). Roles of fewer than four warps share a warpgroup with the one before where they
    fit and their registers are equal (`first_warps`). Tiles lie by rows over the role's warpgroups.
    """

    name = "aref.role"
    assembly_format: ClassVar[str | None] = "$sym_name attr-dict-with-keyword $region"
    sym_name = prop_def(SymbolNameConstraint())
    kind = prop_def(StringAttr)
    warps = prop_def(IntAttr)
    registers = prop_def(IntAttr)
    region = region_def("single_block")
    traits = traits_def(NoTerminator())

    def __init__(self, name: str, kind: str, warps: int, registers: int, body: Block):
        properties = {
            "sym_name": StringAttr(name), "kind": StringAttr(kind), "warps": IntAttr(warps),
            "registers": IntAttr(registers),
        }  # fmt: skip
        super().__init__(properties=properties, regions=[Region(body)])

    @property
    def body(self) -> Block:
        return self.region.block

    @property
    def warpgroups(self) -> int:
        return -(-self.warps.data // WARPGROUP)

    @property
    def threads(self) -> int:
        """That run the body."""
        return self.warps.data * WARP

    def verify_(self) -> None:
        if self.kind.data not in ROLES:
            raise VerifyException(f"aref.role: kind `{self.kind.data}`; one of {', '.join(ROLES)}")
        if self.warps.data < 1 or (self.warps.data > WARPGROUP and self.warps.data % WARPGROUP):
            raise VerifyException(f"aref.role: {self.warps.data} warps; 1 to 4, or whole warpgroups of 4")
        if self.body.args:
            raise VerifyException("aref.role: the body takes no arguments")


class NamedBarrierOp(ArefOp):
    """Base of the ops on hardware barrier `id`; a phase ends when `threads` threads have come, by sync or arrive.

    `warpgroup`: the only one of the role that comes; all of them without it.
    """

    assembly_format: ClassVar[str | None] = "attr-dict"
    id = prop_def(IntAttr)
    threads = prop_def(IntAttr)
    warpgroup = opt_prop_def(IntAttr)

    def __init__(self, id: int, threads: int, warpgroup: int | None = None):
        own = None if warpgroup is None else IntAttr(warpgroup)
        super().__init__(properties={"id": IntAttr(id), "threads": IntAttr(threads), "warpgroup": own})

    def verify_(self) -> None:
        if not 1 <= self.id.data <= 15:
            raise VerifyException(f"{self.name}: id {self.id.data}; 1 to 15 (0 is the whole CTA's)")
        if self.threads.data < WARP or self.threads.data % WARP:
            raise VerifyException(f"{self.name}: {self.threads.data} threads; a multiple of {WARP}")


@irdl_op_definition
class BarrierSyncOp(NamedBarrierOp):
    """Comes to the barrier and waits for the end of its phase."""

    name = "aref.barrier_sync"


@irdl_op_definition
class BarrierArriveOp(NamedBarrierOp):
    """Comes to the barrier and goes on."""

    name = "aref.barrier_arrive"
