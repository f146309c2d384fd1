"""The flow of `make gpu-bench`, on the CPU: sections that fail lose nothing of the others, and a dry run of all of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fake_gpu import FakeGpu, gpu
from interpreted import needs_triton
from warpweave.backends.nvidia.target import H100
from warpweave.backends.triton.compile import device_kernel
from warpweave.bench import gpu as gpu_bench
from warpweave.bench import gpu_sections, triton_check
from warpweave.bench.programs import golden

__all__ = ["gpu"]

SECTIONS = {
    "good": "open(path, 'a').write('{\"n\": 1}\\n{\"n\": 2}\\n')",
    "wrong": "open(path, 'a').write('{\"n\": 3}\\n'); raise ValueError('no such thing')",
    "hangs": "open(path, 'a').write('{\"n\": 4}\\n{\"n\"'); import time; time.sleep(60)",
    "after": "open(path, 'a').write('{\"n\": 5}\\n')",
}


def test_a_section_that_fails_loses_nothing_of_the_others() -> None:
    kept: list[list[dict[str, Any]]] = []

    def command(section: str, path: Path) -> list[str]:
        return [sys.executable, "-c", f"import sys; path = sys.argv[1]; {SECTIONS[section]}", str(path)]

    budgets = {"good": 50.0, "wrong": 50.0, "hangs": 5.0, "after": 50.0}
    assert gpu_bench.run(budgets, command, 120.0, lambda done: kept.append(list(done))) == 2
    assert [[outcome["section"] for outcome in done] for done in kept] == [
        ["good"], ["good", "wrong"], ["good", "wrong", "hangs"], ["good", "wrong", "hangs", "after"],
    ]  # fmt: skip
    good, wrong, hangs, after = kept[-1]
    assert [[r["n"] for r in outcome["records"]] for outcome in kept[-1]] == [[1, 2], [3], [4], [5]]
    assert (good["error"], after["error"]) == ("", "")
    assert wrong["error"].startswith("exit code 1\n")
    assert wrong["error"].endswith("ValueError: no such thing")
    assert hangs["error"] == "stopped after its 5 s"
    text = gpu_bench.table(kept[-1])
    assert "wrong: 1 records in" in text
    assert "  FAILED: stopped after its 5 s" in text


def test_no_time_left() -> None:
    kept: list[Any] = []
    assert gpu_bench.run({"one": 5.0}, lambda *_: ["false"], 0.0, kept.extend) == 1
    assert kept[0]["error"] == "no time was left"


@needs_triton
def test_kernels_as_they_are_launched(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    """The section's own path, with the driver's double: compiled code, packed parameters."""

    def learned(source: Any, phases: Any) -> Any:
        gpu.learn(source, phases)
        return device_kernel(source, phases)

    monkeypatch.setattr(gpu_sections, "device_kernel", learned)
    monkeypatch.setattr(gpu_sections, "driver_of", lambda _: gpu)
    programs = [program for program in golden() if program.name in ("map_softmax", "map_embedding")]
    rows = list(triton_check.check(programs, [H100], gpu_sections._on_gpu))
    assert {row.program for row in rows} == {"map_softmax", "map_embedding"}
    assert all(row.error is not None and row.error <= 1 for row in rows)
    assert [launched.entry for launched in gpu.launched] == [row.kernel for row in rows]


@needs_triton
@pytest.mark.slow
def test_dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gpu.json"
    assert gpu_bench.main(["--dry-run", "--output", str(path)]) == 0, capsys.readouterr().out
    found = json.loads(path.read_text())
    sections = {outcome["section"]: outcome["records"] for outcome in found["sections"]}
    assert list(sections) == ["kernels", "llama", "gemm", "attention"]
    assert found["dry_run"] is True
    assert all(0 <= record["error"] <= 1 and not record["failed"] for record in sections["kernels"])
    for section, cases in (("llama", 2), ("gemm", 2), ("attention", 1)):
        records = sections[section]
        assert [record["system"] for record in records] == ["eager", "warpweave", "warpweave cuda"] * cases
        for eager, *both in zip(records[::3], records[1::3], records[2::3], strict=True):
            assert not eager["failed"]
            for ours in both:
                assert not ours["failed"]
                assert ours["error"] <= max(2 * eager["error"], 2**-7)
                assert ours["kernels"] >= 1
                assert ours["uncompiled"] == []
                assert ours["ms"] > 0
