"""A compiled tile kernel against the interpreter, without a program around it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

import torch
from xdsl.dialects.builtin import ModuleOp

from ..backends.cpu.backend import CpuTarget, emit, headers
from ..ir.reference_tile import run_kernel
from ..ir.testing.oracles import Violation, kernel_of
from ..runtime.cpu import best_isa
from ..runtime.toolchain import Source, build

_GUARD = 0xA5
_SCRATCH = 1 << 22


def kernel_rounds_once(
    module: ModuleOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], isa: str = "", threads: int = 3
) -> None:
    """What the kernel stores is the float64 result rounded once, up to f32 arithmetic; it writes nothing else."""
    kernel = kernel_of(module)
    stored = [b.clone() for b in buffers]
    run_kernel(kernel, stored, dims, torch.float64)
    actual, memories = _guarded(buffers)
    _call(module, actual, dims, isa or best_isa(), threads)
    for i, (have, want) in enumerate(zip(actual, stored, strict=True)):
        if not bool((memories[i][:64] == _GUARD).all() and (memories[i][-64:] == _GUARD).all()):
            raise Violation("kernel_rounds_once", f"a write outside buffer {i}")
        if not _close(have, want):
            raise Violation(
                "kernel_rounds_once", f"buffer {i} of {kernel.sym_name.data} differs from the interpreter's"
            )


def _close(have: torch.Tensor, want: torch.Tensor) -> bool:
    """Equal but for f32 arithmetic, and the next number where that decided a rounding."""
    if not have.is_floating_point():
        return torch.equal(have, want)
    wide, finite = want.double(), want.isfinite()
    if not torch.equal(finite, have.isfinite()):
        return False
    scale = float(wide[finite].abs().max()) if finite.any() else 0.0
    noise = (1e-13 if want.dtype == torch.float64 else 4e-6) * max(1.0, scale)
    differ = (have.double() - wide)[finite].abs()
    last_place = torch.finfo(want.dtype).eps * wide[finite].abs() if want.dtype.itemsize == 2 else 0.0
    rounded_apart = differ > noise
    few = int(rounded_apart.sum()) * 20 <= differ.numel() + 20
    return bool((differ <= noise + last_place).all()) and few


def _guarded(tensors: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Copies between 64 bytes of a pattern each, and the memories they lie in."""
    views: list[torch.Tensor] = []
    memories: list[torch.Tensor] = []
    for tensor in tensors:
        size = tensor.numel() * tensor.element_size()
        memories.append(torch.full((size + 128,), _GUARD, dtype=torch.uint8))
        views.append(memories[-1][64 : 64 + size].view(tensor.dtype))
        views[-1].copy_(tensor.reshape(-1))
    return views, memories


def _call(module: ModuleOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], isa: str, threads: int) -> None:
    """Every thread's share, one after the other."""
    kernel = kernel_of(module)
    emitted = emit(kernel, CpuTarget.of(isa))
    library = ctypes.CDLL(str(build([Source(emitted.name, emitted.source, isa, headers())])[0].path))
    function = getattr(library, emitted.entry)
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    pointers = (ctypes.c_void_p * len(buffers))(*(b.data_ptr() for b in buffers))
    sizes = (ctypes.c_int64 * (len(dims) + 1))(*(dims[s.data] for s in kernel.symbols))  # pyright: ignore[reportAttributeAccessIssue]
    scratch = torch.full((_SCRATCH,), 0xFF, dtype=torch.uint8)  # NaN as floats
    aligned = (scratch.data_ptr() + 63) // 64 * 64
    for thread in range(threads):
        function(pointers, sizes, aligned, thread, threads)
