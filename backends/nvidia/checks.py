"""Static checks of a compiled kernel: each says why the kernel may not, or should not, be launched.

Compilers accept kernels that cannot be launched (too much shared memory) or that are slow by an order of magnitude
(spills, products without tensor cores) without a word. The chooser takes the next candidate where a check refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ...ir.ledger import Refusal
from ...runtime.launch import LaunchDescription
from .occupancy import Occupancy, occupancy
from .resources import Resources
from .target import WARP, GpuTarget


class CompiledKernel(Protocol):
    """What a backend's compiler gives: how a kernel is launched, and what its code uses."""

    @property
    def launch(self) -> LaunchDescription: ...
    @property
    def resources(self) -> Resources: ...


Check = Callable[[CompiledKernel, GpuTarget], Refusal | None]

TENSOR_OPS = ("HMMA", "IMMA", "HGMMA", "IGMMA", "QGMMA", "UTCHMMA", "UTCIMMA", "UTCQMMA", "UTCOMMA", "OMMA", "QMMA")
"""Instructions of tensor cores: sm_80's, sm_90's, sm_100's."""
TMA_LOAD = "UTMALDG"
SPILL_OPS = ("STL", "LDL")
ANGLE_STACK = 32
"""Bytes of a table that libdevice's sine and cosine keep on the stack for angles beyond 105615, and touch for no other."""


def tensor_instructions(compiled: CompiledKernel) -> dict[str, int]:
    return {op: n for op, n in compiled.resources.opcodes.items() if op in TENSOR_OPS}


def spill_instructions(compiled: CompiledKernel) -> int:
    return sum(compiled.resources.opcodes.get(op, 0) for op in SPILL_OPS)


def occupancy_of(compiled: CompiledKernel, target: GpuTarget) -> Occupancy:
    resources = compiled.resources
    return occupancy(
        target,
        threads=resources.threads,
        registers=resources.registers,
        shared=compiled.launch.shared,
        tensor_columns=resources.tensor_columns,
    )


def architecture(compiled: CompiledKernel, target: GpuTarget) -> Refusal | None:
    if compiled.launch.target == target.name:
        return None
    return Refusal(f"code for {compiled.launch.target}", f"compiling it for {target.name}")


def parameters(compiled: CompiledKernel, target: GpuTarget) -> Refusal | None:
    """The launch description packs what the cubin reads, where the cubin reads it."""
    packed = tuple((p.offset, p.size) for p in compiled.launch.parameters)
    found = compiled.resources.offsets
    if packed == found:
        return None
    if len(packed) != len(found):
        return Refusal(f"{len(packed)} parameters are packed, the cubin reads {len(found)}", _ABI)
    i = next(i for i, (a, b) in enumerate(zip(packed, found, strict=True)) if a != b)
    name, (offset, size), (true_offset, true_size) = compiled.launch.parameters[i].name, packed[i], found[i]
    return Refusal(f"{name}: {size} bytes packed at {offset}, the cubin reads {true_size} at {true_offset}", _ABI)


def threads(compiled: CompiledKernel, target: GpuTarget) -> Refusal | None:
    """A launch starts as many threads as the cubin was compiled for."""
    launched, wanted = compiled.launch.num_warps * WARP, compiled.resources.threads
    return None if launched == wanted else Refusal(f"{launched} threads are launched, the code is for {wanted}", _ABI)


def shared_memory(compiled: CompiledKernel, target: GpuTarget) -> Refusal | None:
    used, limit = compiled.launch.shared, target.smem_per_block
    if used <= limit:
        return None
    return Refusal(f"{used} bytes of shared memory, a block has {limit}", "smaller tiles or fewer stages")


def spills(compiled: CompiledKernel, target: GpuTarget) -> Refusal | None:
    stack, instructions = compiled.resources.stack, spill_instructions(compiled)
    if (not stack and not instructions) or (compiled.resources.angles and stack <= ANGLE_STACK):
        return None
    return Refusal(
        f"{stack} bytes of stack a thread, {instructions} loads and stores of it, at {compiled.resources.registers} registers",
        "smaller tiles or more warps",
    )


def local_memory(compiled: CompiledKernel, target: GpuTarget) -> Refusal | None:
    local = compiled.resources.local
    return None if not local else Refusal(f"{local} bytes of local memory a thread", "no array indexed at run time")


def fits(compiled: CompiledKernel, target: GpuTarget) -> Refusal | None:
    """At least one block fits an SM."""
    held = occupancy_of(compiled, target)
    return None if held.blocks else Refusal(f"no block fits an SM: {held.limit}", "smaller tiles, or fewer warps")


def tensor_cores(compiled: CompiledKernel, target: GpuTarget) -> Refusal | None:
    """Products that tensor cores can do are done by them."""
    products = compiled.resources.products
    if not products or tensor_instructions(compiled):
        return None
    return Refusal(f"{products} matrix products, and no instruction of a tensor core", "tiles that tensor cores have")


def boxes(compiled: CompiledKernel, target: GpuTarget) -> Refusal | None:
    """Loads by a descriptor are done by the tensor memory accelerator."""
    count = compiled.resources.boxes
    if not count or compiled.resources.opcodes.get(TMA_LOAD):
        return None
    return Refusal(f"{count} loads by descriptors, and no {TMA_LOAD}", "loads by pointers")


_ABI = "a launch description for this release of the compiler"

CHECKS: dict[str, Check] = {
    "architecture": architecture,
    "parameters": parameters,
    "threads": threads,
    "shared-memory": shared_memory,
    "spills": spills,
    "local-memory": local_memory,
    "fits": fits,
    "tensor-cores": tensor_cores,
    "boxes": boxes,
}


UNLAUNCHABLE = frozenset({"architecture", "parameters", "threads", "shared-memory", "fits"})
"""Checks whose refusal means that a launch fails; the others are of speed."""


def refusals(compiled: CompiledKernel, target: GpuTarget, checks: Mapping[str, Check] = CHECKS) -> dict[str, Refusal]:
    """Check → why it refuses; empty for a sound kernel."""
    found = {name: check(compiled, target) for name, check in checks.items()}
    return {name: refusal for name, refusal in found.items() if refusal is not None}
