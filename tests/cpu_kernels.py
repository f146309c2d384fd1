"""Compiling and calling one CPU kernel in a test: no runtime but its compiler and cache."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
from xdsl.ir import SSAValue

from warpweave.backends.cpu import pack
from warpweave.backends.cpu.backend import CpuTarget, emit, headers
from warpweave.ir import tile
from warpweave.ir.dims import product
from warpweave.runtime.cpu import supports
from warpweave.runtime.toolchain import Source, build

# in units of the largest expected number: f32 arithmetic, then one rounding to the element type
BOUNDS = {torch.float32: 4e-6, torch.bfloat16: 2**-8, torch.float16: 2**-11, torch.float64: 1e-13}
_POINTERS, _SIZES = ctypes.c_void_p * 64, ctypes.c_int64 * 64


class CompiledKernel:
    """A tile kernel as machine code for `isa`. Calls take contiguous tensors; packed weights as plain [N, K].

    Where the CPU has no AMX, code for it runs on emulated tiles.
    """

    def __init__(self, kernel: tile.KernelOp, isa: str, **options: Any) -> None:
        self.kernel = kernel
        self.emitted = emit(kernel, CpuTarget.of(isa), **options)
        text = self.emitted.source
        if not supports(isa):
            assert isa == "amx", isa
            isa, text = "portable", f"#define WW_EMULATE_AMX\n{text}"
        path = build([Source(self.emitted.name, text, isa, headers())])[0].path
        library = ctypes.CDLL(str(path))
        entries = [self.emitted.entry, *(f"{self.emitted.entry}_phase{i}" for i in range(1, len(kernel.phases)))]
        self.phases = [getattr(library, entry) for entry in entries]
        for phase in self.phases:
            phase.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
        self.scratch_bytes = ctypes.c_int64.in_dll(library, f"{self.emitted.entry}_scratch_bytes").value

    def __call__(self, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], threads: int = 1) -> None:
        args = [
            pack.pack(b.view(weight_shape(arg)), self.emitted.packed_layout) if arg.type.layout.data == "packed" else b
            for arg, b in zip(self.kernel.body.args, buffers, strict=True)
        ]
        assert all(b.is_contiguous() for b in args)
        pointers = _POINTERS(*(b.data_ptr() for b in args))
        sizes = _SIZES(*(dims[s.data] for s in self.kernel.symbols))  # type: ignore[union-attr]

        def run(phase: Any, thread: int) -> None:
            scratch = torch.full((self.scratch_bytes + 64,), 0xFF, dtype=torch.uint8)  # NaN as floats
            aligned = (scratch.data_ptr() + 63) // 64 * 64
            phase(pointers, sizes, aligned, thread, threads)

        with ThreadPoolExecutor(threads) as pool:
            for phase in self.phases:
                list(pool.map(partial(run, phase), range(threads)))


def weight_shape(buffer: SSAValue) -> tuple[int, int]:
    """[N, K] of a packed weight, as its loads walk it."""
    load = next(use.operation for use in buffer.uses)
    assert isinstance(load, tile.LoadOp)
    n, k = (product([a.size for a in axes]).value for axes in (load.access.data.rows, load.access.data.columns))
    return n, k


def assert_close(actual: torch.Tensor, expected: torch.Tensor, what: str, like: torch.Tensor | None = None) -> None:
    """Integers and truth values agree, floats are within their type's bound; NaN and infinities at the same places.

    `like`: other numbers in the same arithmetic; twice their distance is allowed too.
    """
    if expected.dtype not in BOUNDS:
        assert torch.equal(actual, expected), what
        return
    exact = expected.double()
    finite = exact[exact.isfinite()]
    bound = BOUNDS[expected.dtype] * max(1.0, finite.abs().max().item() if finite.numel() else 1.0)
    if like is not None and finite.numel():
        bound = max(bound, 2 * (like.double() - exact)[exact.isfinite()].abs().nan_to_num().max().item())
    torch.testing.assert_close(actual.double(), exact, rtol=0, atol=bound, equal_nan=True, msg=lambda m: f"{what}\n{m}")


def guarded(tensors: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The tensors between 64 bytes of a pattern each, and the whole memories: what a kernel writes outside shows there."""
    memories, views = [], []
    for t in tensors:
        size = t.numel() * t.element_size()
        memory = torch.full((size + 128,), 0xA5, dtype=torch.uint8)
        view = memory[64 : 64 + size].view(t.dtype).view(t.shape)
        view.copy_(t)
        memories.append(memory)
        views.append(view)
    return views, memories


def is_intact(memories: Sequence[torch.Tensor]) -> bool:
    return all(bool((m[:64] == 0xA5).all() and (m[-64:] == 0xA5).all()) for m in memories)
