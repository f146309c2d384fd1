"""How many instructions of each kind the code of representative kernels has, by the compiler that the record is of.

Counts, not code: a product, copy or barrier more or less is a change of what is printed, whatever the compiler makes of the rest.
`--update-golden` records them anew.
"""

import functools
import json
from pathlib import Path

import pytest

import emulated_pipelines as pipelines
from cuda_compiled import needs_nvrtc
from warpweave.backends.cuda.compile import build
from warpweave.backends.cuda.compilers import find_compiler
from warpweave.backends.cuda.emit import emit
from warpweave.ir.aref.limits import limits_of
from warpweave.ir.ledger import Ledger
from warpweave.passes import pipeline

RECORD = Path(__file__).with_name("sass.json")
COUNTED = (
    "HGMMA", "HMMA", "LDSM", "STSM", "UTMALDG", "UTMASTG", "LDGSTS", "SYNCS", "ARRIVES", "USETMAXREG", "BAR", "MUFU", "SHFL",
)  # fmt: skip
PROGRAMS = ("gemm", "gemm_swiglu", "attention_causal_64")


@functools.cache
def counts() -> dict[str, dict[str, int]]:
    """Of each launch on each target."""
    sources = {}
    for name in PROGRAMS:
        for target in (pipelines.HOPPER, pipelines.AMPERE):
            module, _ = pipelines.specialised(name, target)
            pipeline.to_barriers(module, Ledger())
            (source,) = (s for kernel in pipelines.split_kernels(module) for s in emit(kernel, limits_of(target)))
            sources[f"{name} {target}"] = source
    found = zip(sources, build(list(sources.values())), strict=True)
    return {name: {op: n for op in COUNTED if (n := one.resources.opcodes.get(op))} for name, one in found}


def differences(recorded: dict[str, dict[str, int]], found: dict[str, dict[str, int]]) -> list[str]:
    """What has another count than the record, in words."""
    return [
        f"{name}: {op} {recorded.get(name, {}).get(op, 0)} → {found.get(name, {}).get(op, 0)}"
        for name in sorted({*recorded, *found})
        for op in COUNTED
        if recorded.get(name, {}).get(op, 0) != found.get(name, {}).get(op, 0)
    ]


@needs_nvrtc
def test_counts_are_as_recorded(pytestconfig):
    compiler = find_compiler().version
    if pytestconfig.getoption("--update-golden"):
        RECORD.write_text(json.dumps({"compiler": compiler, "counts": counts()}, indent=1) + "\n")
    record = json.loads(RECORD.read_text())
    if record["compiler"] != compiler:
        pytest.skip(f"the record is of {record['compiler']}, this is {compiler}")
    assert differences(record["counts"], counts()) == [], "pytest tests/golden --update-golden, if it is meant"


def test_a_difference_names_the_kernel_and_the_instruction():
    recorded = {"gemm sm_80": {"HMMA": 64, "LDSM": 20}, "gone": {"HMMA": 1}}
    found = {"gemm sm_80": {"HMMA": 64, "LDSM": 21, "BAR": 1}}
    said = ["gemm sm_80: LDSM 20 → 21", "gemm sm_80: BAR 0 → 1", "gone: HMMA 1 → 0"]
    assert differences(recorded, found) == said
    assert differences(recorded, recorded) == []
