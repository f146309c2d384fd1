"""Ceilings are measured in the order that a machine has them in; a bound is the slower of computing and reading."""

import os

import pytest

from warpweave.bench import ceilings
from warpweave.bench.ceilings import Ceilings


@pytest.fixture(scope="module")
def one():
    return ceilings.measure(1)


def test_ceilings_are_those_of_a_real_machine(one):
    assert one.threads == 1
    assert 0.5 < one.read_gbps < 1e4
    assert 1 < one.fp32_gflops < 1e4
    assert one.bf16_gflops is None or one.fp32_gflops < one.bf16_gflops < 1e6
    assert one.int8_gops is None or one.fp32_gflops < one.int8_gops < 1e6


def test_floats_are_computed_faster_than_they_are_read(one):
    assert one.fp32_gflops > one.read_gbps / 4


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_two_threads_are_measured_together():
    two = ceilings.measure(2)
    assert two.threads == 2
    assert 1 < two.fp32_gflops < 1e5


def test_the_loops_say_what_they_did():
    library, values = ceilings._load(), ceilings._values()
    memory = ceilings.aligned_bytes(1 << 20)
    floats = memory.view("float32")
    floats[:] = 2
    assert library.ww_read(ceilings.address(memory), floats.size, values) == 1 << 20
    assert values[0] == 2 * floats.size
    done = library.ww_fma_fp32(64, ceilings._values())
    assert done == 64 * library.ww_fma_fp32(1, ceilings._values()) > 0


def test_a_bound_is_the_slower_of_computing_and_reading():
    machine = Ceilings(1, fp32_gflops=100.0, bf16_gflops=400.0, read_gbps=10.0, int8_gops=800.0)
    assert machine.bound_ms("i8", flops=2e9, bytes=1e6) == pytest.approx(2.5)
    assert machine.bound_ms("fp32", flops=2e9, bytes=1e6) == pytest.approx(20)
    assert machine.bound_ms("bf16", flops=2e9, bytes=1e6) == pytest.approx(5)
    assert machine.bound_ms("bf16", flops=2e9, bytes=1e9) == pytest.approx(100)


def test_without_bf16_products_its_peak_is_that_of_fp32():
    machine = Ceilings(1, fp32_gflops=100.0, bf16_gflops=None, read_gbps=10.0)
    assert machine.peak_gflops("bf16") == 100
