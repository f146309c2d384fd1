"""The kernels of tests/cuda_samples, compiled once for the test run."""

from __future__ import annotations

import functools
from importlib.util import find_spec

import pytest

from emulated import SAMPLES
from warpweave.backends.cuda.compile import CompiledCuda, build


def _has(*modules: str) -> bool:
    try:
        return all(find_spec(module) is not None for module in modules)
    except ModuleNotFoundError:
        return False


needs_nvrtc = pytest.mark.skipif(
    not _has("cuda.bindings.nvrtc", "nvidia", "triton"), reason="warpweave[cuda] is not installed"
)


@functools.cache
def compiled() -> dict[str, CompiledCuda]:
    """By name."""
    return dict(zip(SAMPLES, build([sample.source for sample in SAMPLES.values()]), strict=True))
