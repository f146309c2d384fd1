"""Each static check passes sound kernels, and refuses one that is bad in its way."""

import msgspec
import pytest

from interpreted import needs_triton
from triton_samples import SOUND, SOURCES, changed, compiled
from warpweave.backends.nvidia.checks import ANGLE_STACK, CHECKS, occupancy_of, refusals, tensor_instructions
from warpweave.backends.nvidia.sass import opcodes, parameters
from warpweave.backends.nvidia.target import A100, H100, target_of
from warpweave.ir.ledger import Refusal

BAD = {
    "architecture": (changed(launch={"target": "sm_100"}), "code for sm_100"),
    "parameters": (
        changed(offsets=((0, 8), (8, 4), (12, 8), (20, 8), (28, 8))),
        "d1: 8 bytes packed at 16, the cubin reads 8 at 12",
    ),
    "threads": (changed(launch={"num_warps": 8}), "256 threads are launched, the code is for 128"),
    "shared-memory": (changed(launch={"shared": 232449}), "232449 bytes of shared memory, a block has 232448"),
    "spills": (
        changed(stack=64, opcodes={"HGMMA": 2, "STL": 3, "LDL": 4}),
        "64 bytes of stack a thread, 7 loads and stores of it, at 64 registers",
    ),
    "local-memory": (changed(local=16), "16 bytes of local memory a thread"),
    "fits": (changed(registers=256), "no block fits an SM: registers"),
    "tensor-cores": (changed(opcodes={"FFMA": 99}), "1 matrix products, and no instruction of a tensor core"),
    "boxes": (changed(boxes=2), "2 loads by descriptors, and no UTMALDG"),
}


def test_a_sound_kernel_passes_every_check():
    assert refusals(SOUND, H100) == {}
    assert set(BAD) == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_refuses_what_is_bad_in_its_way(check):
    bad, reason = BAD[check]
    refusal = CHECKS[check](bad, H100)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason
    assert refusal.would_change
    assert check in refusals(bad, H100)


@pytest.mark.parametrize("count", [3, 6])
def test_parameters_are_counted(count):
    offsets = ((0, 8), (8, 4), (16, 8), (24, 8), (32, 8), (40, 8))[:count]
    refusal = CHECKS["parameters"](changed(offsets=offsets), H100)
    assert refusal is not None
    assert refusal.reason == f"5 parameters are packed, the cubin reads {count}"


@pytest.mark.parametrize("op", ["STL", "LDL"])
def test_a_spill_needs_no_stack_to_be_seen(op):
    assert CHECKS["spills"](changed(opcodes={"HGMMA": 2, op: 1}), H100) is not None
    assert CHECKS["spills"](changed(stack=8), H100) is not None


def test_the_table_of_sines_and_cosines_is_no_spill():
    """libdevice reduces large angles by a table on the stack; more stack than that, or without angles, is a spill."""
    ops = {"HGMMA": 2, "STL": 80}
    assert CHECKS["spills"](changed(stack=32, angles=2, opcodes=ops), H100) is None
    assert CHECKS["spills"](changed(stack=40, angles=2, opcodes=ops), H100) is not None
    assert CHECKS["spills"](changed(stack=32, opcodes=ops), H100) is not None


@needs_triton
def test_a_kernel_of_angles_is_sound():
    (kernel,) = compiled()["angles", "sm_90"]
    assert (kernel.resources.stack, kernel.resources.angles) == (ANGLE_STACK, 2)
    assert refusals(kernel, H100) == {}


# ---- real code -----------------------------------------------------------------------------------------------------


@needs_triton
@pytest.mark.parametrize(("target", "op"), [("sm_80", "HMMA"), ("sm_90", "HGMMA"), ("sm_100", "UTCHMMA")])
def test_a_gemm_is_sound_and_uses_the_targets_tensor_cores(target, op):
    (kernel,) = compiled()["gemm", target]
    assert refusals(kernel, target_of(target)) == {}
    assert set(tensor_instructions(kernel)) == {op} == {target_of(target).tensor_op}
    assert occupancy_of(kernel, target_of(target)).blocks >= 2
    assert kernel.resources.products == 1


@needs_triton
def test_kernels_without_products_are_sound():
    for kernel in compiled()["softmax", "sm_90"]:
        assert refusals(kernel, H100) == {}
        assert (kernel.resources.products, tensor_instructions(kernel)) == (0, {})


def test_loads_by_descriptors_need_the_accelerator():
    assert CHECKS["boxes"](changed(boxes=2, opcodes={"HGMMA": 2, "UTMALDG": 1}), H100) is None


@needs_triton
def test_exact_products_use_no_tensor_core_and_none_is_expected():
    (kernel,) = compiled()["ieee", "sm_80"]
    assert refusals(kernel, A100) == {}
    assert tensor_instructions(kernel) == {}
    claimed = msgspec.structs.replace(kernel, resources=msgspec.structs.replace(kernel.resources, products=1))
    assert set(refusals(claimed, A100)) == {"tensor-cores"}


@needs_triton
def test_a_kernel_that_spills_is_refused():
    (kernel,) = compiled()["spilled", "sm_80"]
    assert set(refusals(kernel, A100)) == {"spills"}
    assert kernel.resources.stack > 0


@needs_triton
def test_too_much_shared_memory_is_refused_though_it_compiles():
    (kernel,) = compiled()["oversized", "sm_90"]
    assert set(refusals(kernel, H100)) == {"shared-memory", "fits"}
    assert CHECKS["shared-memory"](kernel, H100) == Refusal(
        "262144 bytes of shared memory, a block has 232448", "smaller tiles or fewer stages"
    )


@needs_triton
def test_packing_that_forgets_alignment_is_refused():
    """A mutant of the layout: one parameter right after the other."""
    kernel = compiled()["softmax", "sm_90"][0]
    end, packed = 0, []
    for parameter in kernel.launch.parameters:
        packed.append(msgspec.structs.replace(parameter, offset=end))
        end += parameter.size
    launch = msgspec.structs.replace(kernel.launch, parameters=tuple(packed))
    refusal = CHECKS["parameters"](msgspec.structs.replace(kernel, launch=launch), H100)
    assert refusal is not None
    assert refusal.reason == "d1: 8 bytes packed at 28, the cubin reads 8 at 32"


@needs_triton
def test_forgotten_scratch_pointers_are_refused():
    kernel = compiled()["gemm", "sm_90"][0]
    launch = msgspec.structs.replace(kernel.launch, parameters=kernel.launch.parameters[:-2])
    assert set(refusals(msgspec.structs.replace(kernel, launch=launch), H100)) == {"parameters"}
    assert len(kernel.launch.parameters) == len(SOURCES["gemm"].parameters) + 2


# ---- the tools' text -----------------------------------------------------------------------------------------------


def test_opcodes_are_read_without_predicates_and_modifiers():
    code = """
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/              @!P0 STL.64 [R1+0x8], R2 ;
        /*0020*/             @UP1 UTCHMMA gdesc[UR6], gdesc[UR14], tmem[UR22] ;
.L_x_1:
        /*10030*/                  HGMMA.64x128x16.F32.BF16 R24, gdesc[UR8].tnspB, R24 ;
        /*10040*/                  HGMMA.64x128x16.F32.BF16 R24, gdesc[UR8].tnspB, R24, !UPT ;
"""
    assert opcodes(code) == {"HGMMA": 2, "LDC": 1, "STL": 1, "UTCHMMA": 1}


def test_parameters_are_read_in_order():
    elf = "Value: Index : 0x0 Ordinal : 0x1 Offset  : 0x10 Size    : 0x4\nOrdinal : 0x0\tOffset  : 0x0\tSize    : 0x8\n"
    assert parameters(elf) == ((0, 8), (16, 4))
