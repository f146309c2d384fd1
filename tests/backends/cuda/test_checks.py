"""The static checks pass the samples, and refuse code that is bad in each way."""

import msgspec
import pytest

from cuda_compiled import compiled, needs_nvrtc
from emulated import SAMPLES, edited
from warpweave.backends.cuda.checks import CHECKS, INSTRUCTIONS, TARGETS, refusals
from warpweave.backends.cuda.compile import CompiledCuda, build
from warpweave.backends.nvidia.checks import occupancy_of
from warpweave.backends.nvidia.resources import Resources
from warpweave.runtime.launch import LaunchDescription

SOUND = CompiledCuda(
    "ww::wgmma<ww::bf16, 64>(…); ww::acquire_registers<232>(); ww::release_registers<40>();",
    b"",
    LaunchDescription(entry="k", target="sm_90a", grid="1", num_warps=4, shared=1024, parameters=()),
    Resources(64, 0, 0, 128, (), {"HGMMA": 2, "USETMAXREG": 2}),
)
BAD = {
    "warnings": (
        {"warnings": ("(C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized",)},
        "(C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized",
    ),
    "instructions": ({"opcodes": {"USETMAXREG": 2}}, "ww::wgmma<…) and no HGMMA or QGMMA"),
    "spills": ({"stack": 8}, "8 bytes of stack a thread, 0 loads and stores of it, at 64 registers"),
    "fits": ({"registers": 256}, "no block fits an SM: registers"),
}


def test_a_sound_kernel_passes_every_check():
    assert refusals(SOUND) == {}
    assert set(BAD) <= set(CHECKS)


@pytest.mark.parametrize("check", BAD)
def test_each_check_refuses_what_is_bad_in_its_way(check):
    changes, reason = BAD[check]
    bad = msgspec.structs.replace(SOUND, resources=msgspec.structs.replace(SOUND.resources, **changes))
    assert {name: r.reason for name, r in refusals(bad).items()} == {check: reason}


@needs_nvrtc
@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_are_sound(name):
    kernel = compiled()[name]
    assert refusals(kernel) == {}
    assert (kernel.resources.stack, kernel.resources.local, kernel.resources.warnings) == (0, 0, ())
    assert occupancy_of(kernel, TARGETS[kernel.launch.target]).blocks >= 1


@needs_nvrtc
def test_every_row_of_the_table_is_asked_for_by_a_sample():
    """A primitive that no sample uses would have a row that nothing checks."""
    asked = {
        op for kernel in compiled().values() for _, ops in INSTRUCTIONS for op in ops if op in kernel.resources.opcodes
    }
    assert {next((op for op in ops if op in asked), ops) for _, ops in INSTRUCTIONS} <= asked


@needs_nvrtc
@pytest.mark.parametrize(
    ("old", "new", "check"),
    [
        pytest.param(
            "kColumns = 128", "kColumns = 256", "spills", id="an accumulator of 128 registers and this epilogue"
        ),
        pytest.param(
            "        ww::wgmma_wait<1>();\n",
            "        sum[0] += 1.0f;\n        ww::wgmma_wait<1>();\n",
            "warnings",
            id="an accumulator touched in flight",
        ),
    ],
)
def test_real_code_is_refused(old, new, check):
    (kernel,) = build([edited("gemm_bias_gelu", (old, new))])
    assert check in refusals(kernel)
