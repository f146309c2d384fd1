"""The verifier of the aref level: what must hold on every path of a kernel, and within what a CTA may take.

Together with `ir.protocol.check`, which runs the roles against each other, it is closed: a kernel that both pass has no race,
no deadlock and no slot read before it is filled, whatever the sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xdsl.dialects import scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from .. import tile
from ..types import BITS, DTYPE_NAMES
from ..verify import LevelError, describe, verify_level
from . import queries
from .async_copy import why_no_async_copy
from .base import ArefOp
from .limits import BARRIER_BYTES, HOPPER, Limits
from .lowered import BarriersOp, CounterOp
from .movement import BulkStoreOp, CopyOp, ReadOp, StoreOp
from .paths import faults_on_paths, kinds_of_uses
from .products import DotOp, MmaOp, ProductOp
from .rings import CreateOp, GetExitOp, PutExitOp
from .roles import WARP, WARPGROUP, BarrierSyncOp, NamedBarrierOp, RoleOp
from .tensor_map import why_no_tensor_map
from .types import MemoryType, tile_in

Faults = Iterator[tuple[Operation, str]]
"""The op at which something is wrong; what, why, and what to do."""


def verify_aref(module: ModuleOp, limits: Limits = HOPPER) -> None:
    """Raises LevelError where a kernel breaks a rule of the level: what, where, why, and what next."""
    verify_level(module, "aref")
    for kernel in module.body.block.ops:
        if isinstance(kernel, tile.KernelOp):
            verify_kernel(kernel, limits)


def verify_kernel(kernel: tile.KernelOp, limits: Limits = HOPPER) -> None:
    for loop in kernel.body.ops:
        if not isinstance(loop, tile.ParallelOp):
            continue
        for rule in (*RULES, *(() if queries.is_lowered(loop) else RING_RULES)):
            for op, text in rule(loop, limits):
                role = _role(op)
                inside = f" of role @{role.sym_name.data}" if role is not None else ""
                raise LevelError(f"@{kernel.sym_name.data}: `{op.name}`{inside} ({describe(op)}): {text}")


# ---- where ops and values may stand --------------------------------------------------------------------------------


def placement(loop: tile.ParallelOp, limits: Limits) -> Faults:
    for op in loop.body.ops:
        outside = isinstance(op, RoleOp | CreateOp | BarriersOp | CounterOp | tile.SizeOp | tile.LoadIndexOp)
        if not outside and not op.name.startswith("arith."):
            yield (
                op,
                "stands outside the roles; only indices, rings and roles do. Make tiles in a role, hand them over through a ring",
            )
    for role in queries.roles_of(loop):
        for op in role.walk():
            if op is not role and isinstance(op, RoleOp):
                yield (
                    op,
                    "stands inside a role: setmaxnreg must not be nested; roles stand side by side in the tile.parallel",
                )
            if isinstance(op, CreateOp | BarriersOp | CounterOp):
                yield op, "stands inside a role; a ring is made once for all roles: move it before them"


def controls(loop: tile.ParallelOp, limits: Limits) -> Faults:
    """All roles agree how often loops with rings in them run."""
    for op in (op for role in queries.roles_of(loop) for op in role.walk()):
        if isinstance(op, scf.ForOp | scf.IfOp) and any(isinstance(i, queries.RING_OPS) for i in op.walk()):
            bounds = [op.lb, op.ub, op.step] if isinstance(op, scf.ForOp) else [op.cond]
            if any(map(queries.in_role, bounds)) and not queries.runs_ahead(op, loop):
                yield (
                    op,
                    "rings are used in a loop or branch that this role alone decides: compute its bounds before the roles",
                )
        elif not isinstance(
            op, scf.ForOp | scf.IfOp | scf.YieldOp | RoleOp | ArefOp | tile.TileOp | tile.LoadIndexOp
        ) and not (isinstance(op, tile.StoreOp | tile.SizeOp) or op.name.startswith("arith.")):
            yield op, "may not stand in a role"


# ---- rings ---------------------------------------------------------------------------------------------------------


def ends(loop: tile.ParallelOp, limits: Limits) -> Faults:
    """One role fills a ring, one at least reads it."""
    for made in queries.rings_of(loop):
        fill, read = queries.producers(made.ring, loop), queries.readers(made.ring, loop)
        if len(fill) != 1:
            names = ", ".join(f"@{r.sym_name.data}" for r in fill) or "no role"
            yield made, f"{names} fill it; slots are filled in the order of one role: one ring for each producer"
        if not read:
            yield made, "no role reads it: its producer waits forever for a free slot; remove it, or read it"


def completions(loop: tile.ParallelOp, limits: Limits) -> Faults:
    """An exit names the units that touched the slot, all of them and no others."""
    for role in queries.roles_of(loop):
        for op in role.walk():
            if isinstance(op, PutExitOp | GetExitOp):
                named, used = {kind.data for kind in op.completion}, kinds_of_uses(op, role)
                if named != used:
                    yield (
                        op,
                        (
                            f"completion {_set(named)}, but the slot is used by {_set(used)}; "
                            "the other side would go on too early or never: name what is used"
                        ),
                    )


def memory(loop: tile.ParallelOp, limits: Limits) -> Faults:
    """A slot's tiles are used by the ops for it and nothing else."""
    for op in loop.walk():
        for value in op.operands:
            if isinstance(value.type, MemoryType) and not isinstance(
                op, CopyOp | StoreOp | ReadOp | BulkStoreOp | ProductOp
            ):
                yield (
                    op,
                    "uses the memory of a slot: tiles in slots are copied, stored, read, multiplied or stored in bulk",
                )


def paths(loop: tile.ParallelOp, limits: Limits) -> Faults:
    for role in queries.roles_of(loop):
        yield from faults_on_paths(role, loop)


# ---- what a CTA takes ----------------------------------------------------------------------------------------------


def registers(loop: tile.ParallelOp, limits: Limits) -> Faults:
    taken: dict[int, int] = {}
    for role, first in queries.first_warps(loop):
        count = role.registers.data
        if count % 8 or not limits.least_registers <= count <= limits.most_registers:
            yield (
                role,
                f"{count} registers; setmaxnreg takes a multiple of 8 from {limits.least_registers} to {limits.most_registers}",
            )
        for group in range(first // WARPGROUP, first // WARPGROUP + role.warpgroups):
            taken[group] = count * WARP * WARPGROUP
    if sum(taken.values()) > limits.registers:
        yield loop, f"the roles take {sum(taken.values())} registers of {limits.registers}; give some of them fewer"
    if queries.roles_of(loop) and queries.warps_of(loop) > limits.warps:
        yield loop, f"{queries.warps_of(loop)} warps of {limits.warps}"


def shared_memory(loop: tile.ParallelOp, limits: Limits) -> Faults:
    rings = queries.rings_of(loop)
    taken = sum(made.bytes + 2 * BARRIER_BYTES * made.depth.data for made in rings)
    if taken > limits.shared_memory:
        parts = ", ".join(f"{queries.ring_name(made.ring, loop)} {made.bytes}" for made in rings)
        yield (
            loop,
            f"rings take {taken} bytes of the {limits.shared_memory} of {limits.name} ({parts}); fewer slots or smaller tiles",
        )


def products(loop: tile.ParallelOp, limits: Limits) -> Faults:
    """What one instruction can: rows that its warps share evenly, the columns that there are, depth in 32 bytes."""
    for role in queries.roles_of(loop):
        for op in (op for op in role.walk() if isinstance(op, ProductOp)):
            rows, columns = tile_in(op.results[0]).get_shape()
            depth, element = tile_in(op.a).get_shape()[1], DTYPE_NAMES[tile_in(op.b).element_type]
            together = limits.product_rows * role.warpgroups
            if not isinstance(op, _PRODUCTS[limits.products]):
                yield op, f"{limits.name} multiplies by {limits.products}: `{_PRODUCTS[limits.products].name}`"
            elif role.warps.data % WARPGROUP or (rows % together if isinstance(op, DotOp) else rows != together):
                yield (
                    op,
                    f"{rows} rows by {role.warps.data} warps; {limits.products} takes {limits.product_rows} rows a warpgroup"
                    " of 4 warps",
                )
            elif columns not in limits.product_columns:
                yield (
                    op,
                    f"{columns} columns; products have {', '.join(map(str, limits.product_columns))}: split the tile",
                )
            elif element not in limits.product_elements:
                yield op, f"operands of {element}; {limits.name} multiplies {', '.join(limits.product_elements)}"
            elif depth * BITS[element] // 8 % 32:
                yield op, f"{depth} columns of {element}; the depth of a product comes in steps of 32 bytes"


_PRODUCTS = {"wgmma": MmaOp, "mma": DotOp}


def copies(loop: tile.ParallelOp, limits: Limits) -> Faults:
    """One warp issues TMA copies: its elected thread waits, expects the bytes, and issues. A tensor map, or cp.async, describes
    what moves."""
    for role in queries.roles_of(loop):
        for op in (op for op in role.walk() if isinstance(op, CopyOp | BulkStoreOp)):
            if isinstance(op, CopyOp) and op.completion.data == "cp_async":
                why = why_no_async_copy(op.access.data, op.column, tile_in(op.memory))
                if why is not None:
                    yield op, f"cp.async cannot move the tile: {why}; load it in the role that uses it"
                continue
            if limits.copies != "tma":
                yield op, f"{limits.name} has no TMA: copies by cp_async, stores by tile.store"
            if isinstance(op, CopyOp) and role.warps.data != 1:
                yield op, f"TMA copies by {role.warps.data} warps; one warp issues them: a role of its own"
            why = why_no_tensor_map(op.access.data, tile_in(op.memory))
            if why is not None:
                yield op, f"TMA cannot move the tile: {why}; load or store it in the role that has it"


def named_barriers(loop: tile.ParallelOp, limits: Limits) -> Faults:
    """Every op on a barrier gives the same number of threads, and somebody waits. Warpgroups that come are the role's."""
    by_id: dict[int, list[NamedBarrierOp]] = {}
    for role in queries.roles_of(loop):
        for op in (op for op in role.walk() if isinstance(op, NamedBarrierOp)):
            by_id.setdefault(op.id.data, []).append(op)
            if op.warpgroup is not None and not 0 <= op.warpgroup.data < role.warpgroups:
                yield op, f"warpgroup {op.warpgroup.data} of a role of {role.warpgroups}; they are counted from 0"
    for number, ops in by_id.items():
        counts = {op.threads.data for op in ops}
        if len(counts) > 1:
            yield ops[0], f"barrier {number} takes {' and '.join(map(str, sorted(counts)))} threads; one number for all"
        if not any(isinstance(op, BarrierSyncOp) for op in ops):
            yield ops[0], f"nobody waits at barrier {number}: remove it, or sync"


Rule = Callable[[tile.ParallelOp, Limits], Faults]

RULES: tuple[Rule, ...] = (placement, memory, products, copies, named_barriers, registers, shared_memory)
RING_RULES: tuple[Rule, ...] = (controls, ends, paths, completions)
"""Of rings that are not lowered to mbarriers yet."""


def _role(op: Operation | None) -> RoleOp | None:
    while op is not None and not isinstance(op, RoleOp):
        op = op.parent_op()
    return op


def _set(kinds: set[str]) -> str:
    return ", ".join(sorted(kinds)) or "nothing"
