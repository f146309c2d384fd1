"""Kernels in Triton's interpreter against the interpreter of the IR in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder

import pytest
import torch

from cpu_kernels import assert_close
from warpweave.backends.nvidia.target import TARGETS
from warpweave.backends.triton.emit import emit
from warpweave.backends.triton.interpret import InterpretedKernel
from warpweave.fuzz.kernels import guarded, is_intact
from warpweave.ir import tile
from warpweave.ir.reference_tile import run_kernel

H100 = TARGETS["sm_90"]
needs_triton = pytest.mark.skipif(PathFinder.find_spec("triton") is None, reason="Triton is not installed")


def interpreted(kernel: tile.KernelOp) -> InterpretedKernel:
    return InterpretedKernel(emit(kernel, H100))


def assert_right(
    kernel: tile.KernelOp,
    buffers: Sequence[torch.Tensor],
    dims: Mapping[str, int],
    run: InterpretedKernel | None = None,
) -> None:
    """What the kernel writes is what its IR says, up to f32 arithmetic and one rounding; nothing else is written.

    `buffers` hold the right results afterwards.
    """
    actual, memories = guarded(buffers)
    single = [b.clone() for b in buffers]
    run_kernel(kernel, single, dims, torch.float32)
    run_kernel(kernel, buffers, dims, torch.float64)
    (run or interpreted(kernel))(actual, dims)
    assert all(map(is_intact, memories)), "a write outside a buffer"
    for i, (ours, exact) in enumerate(zip(actual, buffers, strict=True)):
        assert_close(ours, exact, f"{kernel.sym_name.data} {dict(dims)} buffer {i}", like=single[i])
