"""The kernels of tests/cuda_samples, compiled once for the test run."""

from __future__ import annotations

import functools
from importlib.util import find_spec

import msgspec
import pytest

from emulated import SAMPLES
from warpweave.backends.cuda.compile import CompiledCuda, build
from warpweave.backends.cuda.source import CudaSource


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


def edited(name: str, old: str, new: str) -> CudaSource:
    """A sample whose text has `new` for `old`, which stands there. Raises LookupError."""
    source = SAMPLES[name].source
    if old not in source.text:
        raise LookupError(f"{name}.cu does not hold {old!r}")
    return msgspec.structs.replace(source, text=source.text.replace(old, new))
