"""Every program as a pipeline for sm_80: proved, right in the emulator, and compiled to sound code."""

import pytest

import emulated_pipelines as pipelines
from cuda_compiled import needs_nvrtc
from emulated_pipelines import AMPERE, ANY_DEPTH, launches, sizes
from warpweave.backends.cuda.checks import refusals
from warpweave.backends.cuda.compile import build
from warpweave.backends.cuda.emit import emit
from warpweave.backends.cuda.emulate import schedules
from warpweave.backends.cuda.source import PointerParameter, SizeParameter
from warpweave.ir import protocol, tile
from warpweave.ir.aref.limits import limits_of
from warpweave.ir.aref.queries import rings_of
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
        loops = [op for kernel in pipelines.split_kernels(module) for op in kernel.body.ops]
        for loop in (op for op in loops if isinstance(op, tile.ParallelOp)):
            verdict = protocol.check(loop)
            assert verdict.finding is None, verdict.finding
            assert verdict.events > 10 or not rings_of(loop)


@pytest.mark.parametrize("name", pipelines.PROMPTS)
def test_schedules(name):
    """All of them for a GEMM and attention, whose protocols the others share; the hardest two for their epilogues."""
    every = name in ("gemm_relu_f16", "attention_causal_64")
    for seed, schedule in enumerate(schedules() if every else ("random", "late")):
        count = pipelines.check(name, sizes(name), schedule=schedule, seed=seed, target=AMPERE)
        assert count == launches(name, AMPERE)


def sources(name, target):
    module, _ = pipelines.specialised(name, target)
    pipeline.to_barriers(module, Ledger())
    return [source for kernel in pipelines.split_kernels(module) for source in emit(kernel, limits_of(target))]


@needs_nvrtc
def test_the_code_is_sound():
    """No spills, and tensor cores, asynchronous copies and ldmatrix are in it."""
    others = [source for target in ("sm_86", "sm_89") for source in sources("attention_128", target)]
    for compiled in build([*(source for name in pipelines.PROGRAMS for source in sources(name, AMPERE)), *others]):
        assert refusals(compiled) == {}, compiled.launch.entry
        if "ww::multiply<" in compiled.text:
            assert {"HMMA", "LDGSTS", "LDSM"} <= compiled.resources.opcodes.keys()


@pytest.mark.parametrize("depth", [0, 8, 32, 96, 104, 128, 160, 328])
def test_any_number_of_steps(depth):
    """K-tiles: none, one, one less, as many and one more than there are slots, more than twice as many; ragged ones too."""
    schedule = schedules()[depth // 8 % len(schedules())]
    count = pipelines.check(ANY_DEPTH, {"M": 72, "N": 136, "K": depth}, schedule=schedule, seed=depth, target=AMPERE)
    assert count == 1


def test_rows_that_begin_at_pairs_of_elements_are_copied_in_pairs():
    (source,) = sources(pipelines.PAIRS, AMPERE)
    assert source.text.count("32, 4>(") == 4  # both operands, before the loop and in it
    assert pipelines.check(pipelines.PAIRS, {"M": 130}, schedule="random", seed=1, target=AMPERE) == 1


def test_a_launch_says_what_its_copies_need():
    (source,) = sources(ANY_DEPTH, AMPERE)
    given = source.launch.parameters
    kinds = {kind: {p.multiple for p in given if isinstance(p, kind)} for kind in (PointerParameter, SizeParameter)}
    assert kinds == {PointerParameter: {1, 16}, SizeParameter: {1, 8}}


@pytest.mark.parametrize(("name", "symbols", "position"), [
    ("decode_groups3", {"B": 2, "L": 400, "num_threads": 5}, 101),
    ("decode_groups1", {"B": 1, "L": 90, "num_threads": 5}, 70),
])  # fmt: skip
def test_one_query_over_a_cache(name, symbols, position):
    for seed, schedule in enumerate(("random", "late")):
        assert pipelines.check(name, symbols, schedule=schedule, seed=seed, target=AMPERE, position=position) == 2
