"""An oracle for memory plans: what each launch reads is what the program wrote there last.

The plan is played step by step on a model of memory that knows, for each chunk, whose value it holds; it shares no code
with the planner's own lifetimes.
"""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from ..backends.cpu.backend import emit
from ..backends.cpu.pack import packed_type
from ..backends.cpu.target import CpuTarget
from ..ir import tile
from ..ir.testing.oracles import Violation
from ..planner import Plan, plan
from ..planner.values import Buffer, Ref
from ..runtime.artifact import Kernel, NativeStep, launches
from ..runtime.cpu import best_isa


def planned(module: ModuleOp) -> Plan:
    """The plan of a tile module, as the compiler makes it; kernels are named, not compiled."""
    isa = best_isa()
    emitted = [emit(op, CpuTarget.of(isa)) for op in module.ops if isinstance(op, tile.KernelOp)]
    kernels = {k.name: Kernel(k.name, k.source, k.entry, isa) for k in emitted}
    return plan(module, "fuzz", kernels, {k.name: k.packed_layout for k in emitted}, packed_type)


def plan_is_sound(module: ModuleOp) -> None:
    """No value is overwritten while it is still read, and launches that depend on each other have a barrier between."""
    made = planned(module)
    _check_chunks(made)
    _check_barriers(made)


def _check_chunks(made: Plan) -> None:
    holds: dict[int, Buffer] = {}
    for number, step in enumerate(made.steps):
        for ref in step.reads:
            if ref.buffer.source == "arena" and holds.get(ref.buffer.index) is not ref.buffer:
                raise Violation(
                    "plan_is_sound", f"step {number} reads chunk {ref.buffer.index}, which holds another value"
                )
        reads = {ref.buffer for ref in step.reads}
        for ref in step.writes:
            if ref.buffer.source != "arena":
                continue
            before = holds.get(ref.buffer.index)
            if before in reads and before is not ref.buffer:
                raise Violation("plan_is_sound", f"step {number} writes over chunk {ref.buffer.index}, which it reads")
            holds[ref.buffer.index] = ref.buffer


def _check_barriers(made: Plan) -> None:
    """Between a launch and the next barrier nobody touches what it writes."""
    native = [step for step in made.steps if isinstance(step.op, tile.LaunchOp)]
    planned_launches = launches(made.description)
    groups = [step.launches for step in made.description.steps if isinstance(step, NativeStep)]
    ends = {id(group[-1]) for group in groups if group}
    read: set[tuple[str, int]] = set()
    written: set[tuple[str, int]] = set()
    for number, (step, launch) in enumerate(zip(native, planned_launches, strict=True)):
        reads, writes = _places(step.reads), _places(step.writes)
        if writes & (read | written) or reads & written:
            raise Violation("plan_is_sound", f"launch {number} depends on one that no barrier waits for")
        read, written = read | reads, written | writes
        if launch.barrier or id(launch) in ends:
            read, written = set(), set()


def _places(refs: list[Ref]) -> set[tuple[str, int]]:
    return {(ref.buffer.source, ref.buffer.index) for ref in refs}
