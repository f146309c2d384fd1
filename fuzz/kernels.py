"""A tile kernel that runs, without a program around it: as machine code or in Triton's interpreter; compared with the
interpreter of the IR."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from ..backends.cpu import pack
from ..backends.cpu.backend import emit, headers
from ..backends.cpu.target import CpuTarget
from ..backends.cuda.emulated import EmulatedLaunches
from ..backends.cuda.forms import Printed, Specialiser, printed
from ..backends.nvidia.target import TARGETS
from ..backends.triton.boxes import launched, sixteens
from ..backends.triton.emit import emit as emit_triton
from ..backends.triton.interpret import InterpretedKernel
from ..backends.triton.source import Choice
from ..ir import tile
from ..ir.dims import product
from ..ir.reference_tile import run_kernel
from ..ir.testing.oracles import Violation, kernel_of
from ..passes import pipeline
from ..passes.warps.shapes import HOPPER
from ..runtime.artifact import Kernel
from ..runtime.cpu import best_isa, supports
from ..runtime.native_code import LoadedKernel, WwFault
from ..runtime.toolchain import Source, build

NOISE = 4e-6  # of f32 arithmetic
FEW = replace(TARGETS["sm_90"], sms=2)
"""A GPU that is soon full."""
WAYS = (None, Choice(tma=True, persistent=True))
EMULATED = {"amx": "#define WW_EMULATE_AMX\n", "avx512_bf16": "", "avx512": "", "avx2": ""}
"""What goes before the code of an instruction set that this CPU has not got, so that it runs as portable C++."""
_GUARD = 0xA5
_PHASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)


class CompiledKernel:
    """A tile kernel as machine code for `isa`. Calls take contiguous tensors; packed weights as plain [N, K]. IndexError
    where an entry that is looked up is out of range.

    The code of an EMULATED one runs as portable C++ where the CPU has not got it. `options`: those of `emit`.
    """

    def __init__(self, kernel: tile.KernelOp, isa: str, **options: Any) -> None:
        self.kernel = kernel
        self.emitted = emit(kernel, CpuTarget.of(isa), **options)
        name, text = self.emitted.name, self.emitted.source
        if not supports(isa):
            isa, text = "portable", f"{EMULATED[isa]}{text}"
        path = build([Source(name, text, isa, headers())])[0].path
        self._loaded = LoadedKernel(Kernel(name, text, self.emitted.entry, isa), path)
        self._phases = [_PHASE(address) for address in self._loaded.phases]

    def __call__(self, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], threads: int = 1) -> None:
        args = [self._argument(arg, b) for arg, b in zip(self.kernel.body.args, buffers, strict=True)]
        assert all(b.is_contiguous() for b in args)
        fault = WwFault()
        pointers = (ctypes.c_void_p * (len(args) + 2))(*(b.data_ptr() for b in args), ctypes.addressof(fault))
        values = [dims[symbol.data] for symbol in self.kernel.symbols]
        sizes = (ctypes.c_int64 * max(1, len(values)))(*values)

        def run(phase: Callable[..., None], thread: int) -> None:
            scratch = torch.full((self._loaded.scratch_bytes + 64,), 0xFF, dtype=torch.uint8)  # NaN as floats
            aligned = (scratch.data_ptr() + 63) // 64 * 64
            phase(ctypes.addressof(pointers), ctypes.addressof(sizes), aligned, thread, threads)

        with ThreadPoolExecutor(threads) as pool:
            for phase in self._phases:
                list(pool.map(partial(run, phase), range(threads)))
        if fault.raised:
            raise IndexError(f"index {fault.entry} is out of range of {fault.extent}")

    def _argument(self, arg: SSAValue, buffer: torch.Tensor) -> torch.Tensor:
        assert isinstance(arg.type, tile.BufferType)
        if arg.type.layout.data != "packed":
            return buffer
        return pack.pack(buffer.view(_weight_shape(arg)), self.emitted.packed_layout)


Running = Callable[[Sequence[torch.Tensor], Mapping[str, int]], None]
"""A kernel that runs on its buffers, in place, for the values of its symbols."""
Maker = Callable[[tile.KernelOp], Running]


def native(isa: str = "", threads: int = 3) -> Maker:
    """Machine code for `isa` (the machine's best)."""
    return lambda kernel: partial(CompiledKernel(kernel, isa or best_isa()), threads=threads)


def interpreted(kernel: tile.KernelOp) -> Running:
    """Triton, in its interpreter: every other kernel, by its name, with boxes and two programs that walk over its tiles."""
    way = WAYS[sum(kernel.sym_name.data.encode()) % len(WAYS)]
    return InterpretedKernel(emit_triton(kernel, FEW, way, multiples=sixteens(kernel, launched(kernel))))


def emulated(kernel: tile.KernelOp) -> Running:
    """CUDA C++ in the emulator, a schedule a call; Triton in its interpreter for a kernel that has no warp roles."""
    made, otherwise = printed(kernel, WITH_ROLES), InterpretedKernel(emit_triton(kernel, TARGETS["sm_90"]))
    if not isinstance(made, Printed):
        return otherwise
    launches = EmulatedLaunches(made.sources, otherwise.emitted.lookups, otherwise)

    def run(buffers: Sequence[torch.Tensor], dims: Mapping[str, int]) -> None:
        found = launches.run(buffers, [dims[symbol.data] for symbol in kernel.symbols])
        if found is not None:
            raise IndexError(f"index {found.entry} is out of range of {found.extent}")

    return run


WITH_ROLES = Specialiser(
    "sm_90a", replace(HOPPER, gemm_rows=64, gemm_columns=64, attention_rows=64, powers=False), pipeline.with_roles
)
"""Tiles of 64 rows, however few there are."""
MAKERS: dict[str, Maker] = {"cpu": native(), "triton": interpreted, "cuda": emulated}


def kernel_rounds_once(module: ModuleOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], make: Maker) -> None:
    """What the kernel stores is the float64 result rounded once, up to f32 arithmetic; it writes nothing else."""
    rounds_once(kernel_of(module), [b.clone() for b in buffers], dims, make)


def rounds_once(
    kernel: tile.KernelOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], make: Maker, noise: float = NOISE
) -> None:
    """`kernel_rounds_once`; `buffers` hold the right results afterwards. `noise`: of f32 arithmetic, relative."""
    actual, memories = guarded(buffers)
    naive = [b.clone() for b in buffers]
    run_kernel(kernel, buffers, dims, torch.float64)
    run_kernel(kernel, naive, dims, torch.float32)
    make(kernel)(actual, dims)
    for i, (have, want) in enumerate(zip(actual, buffers, strict=True)):
        if not is_intact(memories[i]):
            raise Violation("kernel_rounds_once", f"a write outside buffer {i}")
        if not _close(have, want, naive[i], noise):
            raise Violation(
                "kernel_rounds_once", f"buffer {i} of {kernel.sym_name.data} differs from the interpreter's"
            )


def kernel_refuses_strays(
    module: ModuleOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], make: Maker
) -> None:
    """With one entry of a look-up out of range, first or last, the kernel says so and writes nothing."""
    kernel = kernel_of(module)
    for index, entries, extent in kernel.lookups:
        number, last = kernel.body.args.index(index), entries.evaluate(dims) - 1  # pyright: ignore[reportArgumentType]
        for position, entry in ((0, -1), (last, extent.evaluate(dims))) if last >= 0 else ():
            actual, memories = guarded(buffers)
            actual[number].view(-1)[position] = entry
            before = [memory.clone() for memory in memories]
            try:
                make(kernel)(actual, dims)
            except IndexError:
                if not all(map(torch.equal, memories, before)):
                    raise Violation("kernel_refuses_strays", f"index {entry}: something is written") from None
                continue
            raise Violation("kernel_refuses_strays", f"index {entry} at {position} of buffer {number} passes")


def _close(have: torch.Tensor, want: torch.Tensor, naive: torch.Tensor, noise: float) -> bool:
    """Equal but for f32 arithmetic (or twice what the interpreter's comes to), and the next number where that decided a
    rounding."""
    if not have.is_floating_point():
        return torch.equal(have, want)
    wide, finite = want.double(), want.isfinite()
    if not torch.equal(finite, have.isfinite()):
        return False
    scale = float(wide[finite].abs().max()) if finite.any() else 0.0
    arithmetic = (1e-13 if want.dtype == torch.float64 else noise) * max(1.0, scale)
    differ = (have.double() - wide)[finite].abs()
    is_16_bit = want.dtype.itemsize == 2
    last_place = torch.finfo(want.dtype).eps * wide[finite].abs() if is_16_bit else 0.0
    plain = (naive.double() - wide)[finite].abs().nan_to_num().max() if finite.any() else 0.0
    few = not is_16_bit or int((differ > arithmetic).sum()) * 20 <= differ.numel() + 20
    return bool(((differ <= arithmetic + last_place) | (differ <= 2 * plain)).all()) and few


def guarded(tensors: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The tensors between 64 bytes of a pattern each, and the whole memories: what a kernel writes outside shows there."""
    views: list[torch.Tensor] = []
    memories: list[torch.Tensor] = []
    for tensor in tensors:
        size = tensor.numel() * tensor.element_size()
        memories.append(torch.full((size + 128,), _GUARD, dtype=torch.uint8))
        views.append(memories[-1][64 : 64 + size].view(tensor.dtype).view(tensor.shape))
        views[-1].copy_(tensor)
    return views, memories


def is_intact(memory: torch.Tensor) -> bool:
    """Whether nothing was written around what `guarded` gave."""
    return bool((memory[:64] == _GUARD).all() and (memory[-64:] == _GUARD).all())


def _weight_shape(buffer: SSAValue) -> tuple[int, ...]:
    """[N, K] of a packed weight, or [E, N, K], as its loads walk it."""
    load = next(use.operation for use in buffer.uses)
    assert isinstance(load, tile.LoadOp)
    access = load.access.data
    n, k = (product([a.size for a in axes]).value for axes in (access.rows, access.columns))
    return (n, k) if load.batch is None else (product([a.size for a in access.batch]).value, n, k)
