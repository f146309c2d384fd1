"""Static checks of compiled CUDA C++: those of every NVIDIA kernel, and whether the code holds what its source asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from ...ir.ledger import Refusal
from ..nvidia.checks import CHECKS as COMMON
from ..nvidia.checks import Check, CompiledKernel
from ..nvidia.checks import refusals as refusals_of
from ..nvidia.target import A10, A100, H100, L40S, GpuTarget
from .compile import CompiledCuda

TARGETS = {"sm_80": A100, "sm_86": A10, "sm_89": L40S, "sm_90a": replace(H100, name="sm_90a")}

INSTRUCTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ww::wgmma<", ("HGMMA", "QGMMA")),
    ("ww::tma_load(", ("UTMALDG",)),
    ("ww::tma_store(", ("UTMASTG",)),
    ("ww::mbarrier_wait(", ("SYNCS", "ARRIVES")),
    ("ww::acquire_registers<", ("USETMAXREG",)),
    ("ww::store_matrices(", ("STSM",)),
    ("ww::load_matrices", ("LDSM",)),
    ("ww::mma<", ("HMMA",)),
    ("ww::copy_async(", ("LDGSTS",)),
    ("ww::copy_slot<", ("LDGSTS",)),
    ("ww::multiply<", ("HMMA",)),
    ("ww::multiply<", ("LDSM",)),
)
"""A primitive, and instructions of which the code must hold one."""


def warnings(compiled: CompiledKernel, target: GpuTarget) -> Refusal | None:
    """The assembler had nothing to remark on: no wgmma serialised (C7510), no setmaxnreg ignored (C7508), no spill."""
    found = compiled.resources.warnings
    return Refusal("; ".join(found), "the primitives as their headers ask for") if found else None


def instructions(compiled: CompiledKernel, target: GpuTarget) -> Refusal | None:
    """What the source asks for is in the code."""
    opcodes, text = compiled.resources.opcodes, cast(CompiledCuda, compiled).text
    for primitive, wanted in INSTRUCTIONS:
        if primitive in text and not any(op in opcodes for op in wanted):
            return Refusal(f"{primitive}…) and no {' or '.join(wanted)}", "code that the compiler does not drop")
    return None


CHECKS: dict[str, Check] = {**COMMON, "warnings": warnings, "instructions": instructions}


def refusals(compiled: CompiledCuda) -> dict[str, Refusal]:
    """Check → why it refuses; empty for a sound kernel."""
    return refusals_of(compiled, TARGETS[compiled.launch.target], CHECKS)
