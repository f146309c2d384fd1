"""Every GEMM program as a warp-specialised pipeline: the checker proves it, the emulator finds nothing, numbers are right."""

import pytest
import torch

import emulated_pipelines as pipelines
from emulated import as_array, as_tensor
from emulated_pipelines import launches, sizes
from warpweave.backends.cuda.emit.context import FAULT
from warpweave.backends.cuda.emulate import schedules
from warpweave.ir import protocol, tile
from warpweave.ir.aref.queries import rings_of
from warpweave.ir.aref.verify import verify_aref
from warpweave.ir.ledger import Ledger
from warpweave.ir.text import parse, to_text
from warpweave.passes import pipeline


@pytest.mark.parametrize("name", pipelines.PROGRAMS)
def test_the_pipeline_is_verified_and_proved(name):
    module, _ = pipelines.specialised(name)
    verify_aref(module)
    assert to_text(parse(to_text(module))) == to_text(module)
    assert len(pipelines.split_kernels(module)) == launches(name)
    for lowered in (False, True):
        if lowered:
            pipeline.to_barriers(module, Ledger())
            module.verify()
        for kernel in pipelines.split_kernels(module):
            for loop in (op for op in kernel.body.ops if isinstance(op, tile.ParallelOp)):
                verdict = protocol.check(loop)
                assert verdict.finding is None, verdict.finding
                assert verdict.events > 10 or not rings_of(loop)


@pytest.mark.parametrize("name", pipelines.PROMPTS)
def test_every_schedule(name):
    for seed, schedule in enumerate(schedules()):
        count = pipelines.check(name, sizes(name), schedule=schedule, seed=seed, sms=1 + seed % 2)
        assert count == launches(name)


@pytest.mark.parametrize(("position", "entry"), [(0, -1), (66, 80)])
def test_a_position_outside_the_cache_is_reported_and_nothing_is_written(position, entry):
    kernel, buffers, dims = pipelines.captured("gemm_qkv_rope_append", {"B": 2, "S": 67, "L": 80}, seed=1)
    ((index, _, _),) = kernel.lookups
    buffers[kernel.body.args.index(index)][position] = entry
    for each in pipelines.emulated("gemm_qkv_rope_append")[kernel.sym_name.data]:
        arrays = {b.name: as_array(tensor) for b, tensor in zip(each.launch.buffers, buffers, strict=False)}
        arrays[FAULT] = as_array(torch.zeros(3, dtype=torch.int64))
        assert each.run(arrays, dims, schedule="random", seed=1).findings == ()
        assert arrays[FAULT].tolist() == [1, entry, 80]
        for buffer, tensor in zip(each.launch.buffers, buffers, strict=False):
            now = as_tensor(arrays[buffer.name]).view(torch.uint8)  # as bits: unwritten memory is NaN
            assert torch.equal(now, tensor.view(-1).view(torch.uint8)), buffer.name
