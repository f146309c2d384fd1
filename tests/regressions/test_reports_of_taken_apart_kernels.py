"""A region without a tile form becomes one kernel an op, and the report has a row for each of them.

The report had one row for all of them: the graph was left to PyTorch for a ValueError.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from traced import randn, traced
from warpweave.compiler import compile_module
from warpweave.options import Options


def _norms(x, gain, shift, inner_gain, inner_shift, weight):
    inner = (F.rms_norm(x, (1,), gain, 1e-6) + shift).bfloat16()
    return F.linear(F.rms_norm(inner, (1,), inner_gain, 1e-6), weight)


def test_a_row_for_each_kernel() -> None:
    vectors = [randn(1, seed=seed, dtype=torch.float16) for seed in range(2)]
    weights = [randn(1, seed=seed, dtype=torch.bfloat16) for seed in range(2, 4)]
    args = [randn(1, 1, 1, dtype=torch.float16), *vectors, *weights, randn(1, 1, dtype=torch.bfloat16)]
    module, args = traced(_norms, *args, weights=(3, 4, 5))
    compiled = compile_module(module, Options(), "norms")
    refused = [row for row in compiled.report["ledger"] if row["rule"] == "form-tiles" and row["outcome"] == "refused"]
    assert refused
    assert len(compiled.report["kernels"]) > 2
    (got,) = compiled.program(args)
    torch.testing.assert_close(got, _norms(*args), rtol=2e-2, atol=2e-2)
