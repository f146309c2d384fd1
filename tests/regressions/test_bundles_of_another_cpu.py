"""A bundle made for a wider CPU is compiled anew for this one, and what was loaded decides whether it can run.

Every pair of instruction sets, whatever the machine is: tests stand for a CPU (`instruction_sets`).
"""

import msgspec
import pytest
import torch

import instruction_sets
from bundle_parts import W
from mutants.edits import edited
from runtime_samples import doubled, scaled_by_packed
from warpweave.runtime import cpu
from warpweave.runtime.bundle import load_bundle, read_manifest, save_bundle
from warpweave.runtime.errors import BundleIncompatibleError, ForeignKernelError
from warpweave.runtime.program import build_program

ISAS = list(cpu.ISAS)
PAIRS = [(made, here) for made in ISAS for here in ISAS if made != here]


def made_for(isa):
    d = scaled_by_packed()
    return msgspec.structs.replace(d, kernels=tuple(msgspec.structs.replace(k, isa=isa) for k in d.kernels))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    found = {}
    for isa in ISAS:
        found[isa] = tmp_path_factory.mktemp("bundles") / f"{isa}.weave"
        with instruction_sets.used(isa):
            save_bundle(found[isa], made_for(isa), constants=[W * 2], weights={1: W})
    return found


def runs(path, here):
    x = torch.randn(3, 4)
    with instruction_sets.used(here):
        assert torch.equal(load_bundle(path)([x])[0], x * (W * 2) + 1 + 1)


@pytest.mark.parametrize(("made", "here"), PAIRS)
def test_a_bundle_of_another_cpu_runs(bundles, made, here):
    assert read_manifest(bundles[made]).isas == (made,)
    runs(bundles[made], here)


@pytest.mark.parametrize(("made", "here"), PAIRS)
def test_without_a_compiler_it_runs_where_its_code_does(bundles, monkeypatch, made, here):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    if ISAS.index(made) > ISAS.index(here):
        runs(bundles[made], here)
        return
    with instruction_sets.used(here), pytest.raises(BundleIncompatibleError) as error:
        load_bundle(bundles[made])
    assert f"{here})" in error.value.what
    assert f"it holds {made} for" in error.value.why
    assert "No C++ compiler found" in error.value.why


def test_a_program_of_another_cpu_is_refused_by_its_call():
    with instruction_sets.used("avx2"):
        program = build_program(made_for("avx512"), doubled)
        with pytest.raises(ForeignKernelError, match=r"cannot run avx512 code[\s\S]*the widest here is avx2"):
            program([torch.randn(3, 4), W])


def test_mutant(bundles):
    wrong = edited("runtime.host_device:HostDevice.__init__", "in kernels if", "in description.kernels if")
    with wrong, pytest.raises(ForeignKernelError):
        runs(bundles["avx512"], "avx2")


@pytest.mark.parametrize("isa", ISAS)
def test_a_test_stands_for_each_cpu(isa, monkeypatch):
    """Not for the one that it runs on, nor for what the developer has set."""
    monkeypatch.setenv(cpu.VARIABLE, "portable")
    with instruction_sets.used(isa):
        assert cpu.best_isa() == isa
        assert [other for other in ISAS if cpu.supports(other)] == ISAS[ISAS.index(isa) :]
