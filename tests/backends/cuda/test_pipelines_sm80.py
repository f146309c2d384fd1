"""Every program as a pipeline for sm_80: proved, right in every schedule of the emulator, and compiled to sound code."""

import pytest

import emulated_pipelines as pipelines
from cuda_compiled import needs_nvrtc
from emulated_pipelines import AMPERE, launches, sizes
from warpweave.backends.cuda.checks import refusals
from warpweave.backends.cuda.compile import build
from warpweave.backends.cuda.emit import emit
from warpweave.backends.cuda.emulate import schedules
from warpweave.ir import protocol, tile
from warpweave.ir.aref.limits import limits_of
from warpweave.ir.aref.verify import verify_aref
from warpweave.ir.ledger import Ledger
from warpweave.ir.text import parse, to_text
from warpweave.passes import pipeline

LIMITS = limits_of(AMPERE)


@pytest.mark.parametrize("name", pipelines.PROMPTS)
def test_the_pipeline_is_verified_and_proved(name):
    module, _ = pipelines.specialised(name, AMPERE)
    assert pipelines.split_kernels(module)
    for lower in (False, True):
        if lower:
            pipeline.to_barriers(module, Ledger())
        verify_aref(module, LIMITS)
        assert to_text(parse(to_text(module))) == to_text(module)
        for loop in (op for kernel in pipelines.split_kernels(module) for op in kernel.body.ops):
            assert isinstance(loop, tile.ParallelOp)
            verdict = protocol.check(loop)
            assert verdict.finding is None, verdict.finding
            assert verdict.events > 10


@pytest.mark.parametrize("name", pipelines.PROMPTS)
def test_every_schedule(name):
    for seed, schedule in enumerate(schedules()):
        count = pipelines.check(name, sizes(name), schedule=schedule, seed=seed, target=AMPERE)
        assert count == launches(name, AMPERE)


@needs_nvrtc
def test_the_code_is_sound():
    """No spills, and tensor cores, asynchronous copies and ldmatrix are in it."""
    sources = []
    for name in pipelines.PROMPTS:
        module, _ = pipelines.specialised(name, AMPERE)
        pipeline.to_barriers(module, Ledger())
        sources += [source for kernel in pipelines.split_kernels(module) for source in emit(kernel, LIMITS)]
    for compiled in build(sources):
        assert refusals(compiled) == {}, compiled.launch.entry
        assert {"HMMA", "LDGSTS", "LDSM"} <= compiled.resources.opcodes.keys()
