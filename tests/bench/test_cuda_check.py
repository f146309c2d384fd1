"""`make cuda-check`: what a row holds, and what makes it fail."""

import msgspec
import pytest

from cuda_compiled import needs_nvrtc
from mutants.edits import edited
from warpweave.bench import cuda_check
from warpweave.bench.cuda_check import Row, check, table
from warpweave.bench.programs import chosen


@pytest.fixture
def program(monkeypatch):
    monkeypatch.setattr(cuda_check, "SEEDS", 1)
    (found,) = chosen(["gemm"])
    return found


@needs_nvrtc
def test_a_sound_kernel(program):
    (row,), refused = check(program, "sm_90a")
    assert refused == {}
    assert (row.program, row.target, row.failed, row.findings, row.spills) == ("gemm", "sm_90a", "", [], 0)
    assert row.emulated == 6  # a seed in each schedule
    assert 0 < row.error <= 1
    assert min(row.runs, row.events, row.seconds, row.registers, row.shared) > 0
    assert set(row.instructions) == {"HGMMA", "UTMALDG", "SYNCS", "USETMAXREG", "UTMASTG"}
    assert table([row], {}).endswith(
        f"1 launches, 0 failed, 0 kernels without roles; the median of the proofs took {row.seconds:.2f} s"
    )


@pytest.mark.parametrize(
    ("old", "new", "failed"),
    [
        ("operands2 + k * 2", "operands2", "too far from float64"),
        ("ww::fence_mbarrier_init();", "", "the emulator: "),
    ],
)
def test_what_fails(program, monkeypatch, old, new, failed):
    def emit(kernel, limits):
        sources = real(kernel, limits)
        assert old in sources[0].text
        return [msgspec.structs.replace(source, text=source.text.replace(old, new)) for source in sources]

    real = cuda_check.emit
    monkeypatch.setattr(cuda_check, "emit", emit)
    monkeypatch.setattr(cuda_check, "build", lambda _: [])
    (row,), _ = check(program, "sm_90a")
    assert row.failed.startswith(failed)
    assert f"FAILED gemm {row.kernel} sm_90a: {row.failed}" in table([row], {}).splitlines()


def test_a_pass_that_makes_wrong_roles_fails(monkeypatch):
    monkeypatch.setattr(cuda_check, "SEEDS", 1)
    monkeypatch.setattr(cuda_check, "build", lambda _: [])
    (program,) = chosen(["gemm_qkv_rope_append"])
    target, old = "passes.warps.join_loops:_join", "arith.SubiOp(body.args[2], begin.result)"
    with edited(target, old, "arith.AddiOp(body.args[2], begin.result)"):
        (row,), _ = check(program, "sm_90a")
    assert row.failed == "too far from float64"


@pytest.mark.parametrize(("codes", "failed"), [(["spills", ""], ""), (["spills", "warnings"], "warnings")])
def test_narrower_tiles_where_code_is_refused(program, monkeypatch, codes, failed):
    tiles = []

    def emit(kernel, limits):
        tiles.append(next(iter(kernel.body.ops)).tile_shape)
        return real(kernel, limits)

    real, said = cuda_check.emit, iter(codes)
    monkeypatch.setattr(cuda_check, "emit", emit)
    monkeypatch.setattr(cuda_check, "build", lambda sources: sources)
    monkeypatch.setattr(cuda_check, "inspect", lambda row, _: setattr(row, "failed", next(said)))
    (row,), _ = check(program, "sm_80")
    assert tiles == [(128, 128), (128, 64)]
    assert (row.refused, row.failed) == (["spills"], failed)
    assert 0 < row.error <= 1


def test_kernels_without_roles_are_listed_with_the_reason():
    (program,) = chosen(["map_softmax"])
    rows, refused = check(program, "sm_80")
    assert rows == []
    ((where, reason),) = refused.items()
    assert where.startswith("map_softmax, sm_80: ")
    assert reason == "it has no product: there is nothing to load ahead for"
    assert f"no roles: {where}: {reason}" in table([Row("p", "k")], refused).splitlines()


def test_a_name_that_no_program_has():
    with pytest.raises(SystemExit, match="no program is called gem; there are attention_causal, "):
        chosen(["gem"])
