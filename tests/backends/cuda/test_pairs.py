"""Appends to a cache whose strides are known at the launch: in pairs where they are even, one by one where they are odd."""

import torch

import emulated_pipelines as pipelines
from cpu_kernels import assert_close
from emulated import as_array, as_tensor
from mutants.edits import edited
from warpweave.backends.cuda.emit.context import FAULT
from warpweave.ir import tile
from warpweave.ir.reference_tile import run_kernel

PROGRAM = "gemm_qkv_of_equal_tiles"


def at_odd_strides():
    """The kernel, its buffers with room for one element more between sequences, and its sizes."""
    kernel, buffers, dims = pipelines.captured(PROGRAM, {"B": 2, "S": 5, "L": 9}, seed=1)
    appends = [op for op in kernel.walk() if isinstance(op, tile.StoreOp) and op.index is not None]
    strides = {s for op in appends for axis in op.access.data.rows for s in axis.stride.symbols}
    assert len(strides) == 2
    roomy = [torch.cat([b.reshape(-1), b.new_zeros(8)]) if b.is_floating_point() else b for b in buffers]
    return kernel, roomy, {name: value + (name in strides) for name, value in dims.items()}


def emulate():
    kernel, buffers, dims = at_odd_strides()
    exact = [b.clone() for b in buffers]
    run_kernel(kernel, exact, dims, torch.float64)
    (each,) = pipelines.emulated(PROGRAM)[kernel.sym_name.data]
    arrays = {b.name: as_array(tensor) for b, tensor in zip(each.launch.buffers, buffers, strict=False)}
    arrays[FAULT] = as_array(torch.zeros(3, dtype=torch.int64))
    findings = each.run(arrays, dims, schedule="random", seed=1).findings
    return findings, zip(arrays.values(), exact, strict=False)


def test_odd_strides_take_no_pairs():
    findings, results = emulate()
    assert findings == ()
    for number, (array, exact) in enumerate(results):
        assert_close(as_tensor(array), exact, f"buffer {number}")


def test_pairs_at_odd_strides_are_found():
    pipelines.emulated.cache_clear()
    try:
        with edited("backends.cuda.emit.memory:_doubtful", "if not _is_even(dim)", "if False"):
            findings, _ = emulate()
    finally:
        pipelines.emulated.cache_clear()
    assert {finding.kind for finding in findings} == {"misaligned"}
