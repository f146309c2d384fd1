"""Each rule of the verifier, broken once: what it says."""

import pytest

import aref_samples
from aref_bugs import FLASH, GEMM
from aref_faults import FAULTS, edited
from warpweave.ir.aref.verify import verify_aref
from warpweave.ir.text import parse
from warpweave.ir.verify import LevelError


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused(fault):
    edits, says = FAULTS[fault]
    with pytest.raises(LevelError, match="(?s)@gemm_bias_gelu: .*" + says):
        verify_aref(edited(GEMM, edits))


def test_named_barriers_of_two_sizes_are_refused():
    old = "aref.barrier_sync {id = #builtin.int<1>, threads = #builtin.int<256>}"
    with pytest.raises(LevelError, match="barrier 1 takes 128 and 256 threads; one number for all"):
        verify_aref(edited(FLASH, [(old, old.replace("256", "128"))]))


def test_a_barrier_that_nobody_waits_at_is_refused():
    text = aref_samples.text(FLASH).replace(
        "aref.barrier_sync {id = #builtin.int<1>", "aref.barrier_arrive {id = #builtin.int<1>"
    )
    with pytest.raises(LevelError, match="nobody waits at barrier 1: remove it, or sync"):
        verify_aref(parse(text))


@pytest.mark.parametrize("name", aref_samples.SAMPLES)
def test_the_samples_pass(name):
    verify_aref(aref_samples.module(name))
