"""Every kernel that the tests of form_tiles make, compiled: its numbers against the tile interpreter's, buffer by buffer.

The tests themselves run again here, with each launch made twice.
"""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

import tile_programs
from cpu_kernels import assert_close
from warpweave.fuzz.kernels import CompiledKernel, guarded, is_intact
from warpweave.ir.reference_tile import run_kernel
from warpweave.ir.text import structural_hash
from warpweave.runtime.cpu import best_isa

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).parents[2] / "passes" / "form_tiles"


def _tests(path: Path):
    spec = importlib.util.spec_from_file_location(f"formed_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {f"{name}__{path.stem}": test for name, test in vars(module).items() if name.startswith("test_")}


for _path in sorted(FOLDER.glob("test_*.py")):
    globals().update(_tests(_path))

_compiled: dict[str, CompiledKernel] = {}


@pytest.fixture(autouse=True)
def _launch_twice(monkeypatch):
    def both(kernel, buffers, dims, compute):
        digest = structural_hash(kernel)
        if digest not in _compiled:
            _compiled[digest] = CompiledKernel(kernel, best_isa())
        actual, memories = guarded(buffers)
        single = [b.clone() for b in buffers]
        run_kernel(kernel, single, dims, torch.float32)
        run_kernel(kernel, buffers, dims, torch.float64)
        _compiled[digest](actual, dims, threads=2)
        assert all(map(is_intact, memories)), "a write outside a buffer"
        for i, buffer in enumerate(buffers):
            roundings = 1 + _compiled[digest].emitted.rounds_weights
            assert_close(actual[i], buffer, f"{kernel.sym_name.data} {dims} buffer {i}", single[i], roundings)

    monkeypatch.setattr(sys.modules["warpweave.ir.testing.run"], "run_kernel", both)
    monkeypatch.setattr(tile_programs, "COMPUTE", torch.float32)  # buffers of the declared types
