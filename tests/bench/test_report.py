"""From recorded times to ratios: each is taken inside one process, the best competitor is the faster one. And a bound."""

import math

import pytest

from warpweave.bench.measure import summary
from warpweave.bench.report import geomean, markdown, replace_marked, rows


def record(freezing, **medians):
    case = {"model": "m", "phase": "decode-512", "dtype": "fp32", "threads": 1, "freezing": freezing}
    return case | {"systems": {name: {"median_ms": ms} for name, ms in medians.items()}}


def test_ratios_are_taken_inside_one_process():
    outcome = {"records": [
        record(False, eager=40, inductor=30, warpweave=20),
        record(True, eager=80, inductor=20, warpweave=40),
    ]}  # fmt: skip
    (row,) = rows(outcome)
    assert (row["eager"], row["inductor"], row["freezing"], row["best"]) == (2.0, 1.5, 0.5, 0.5)
    assert (row["ms"], row["freezing_ms"]) == (20, 20)


def test_absent_systems_leave_gaps():
    (row,) = rows({"records": [record(False, eager=40, inductor=30)]})
    assert (row["ms"], row["eager"], row["best"], row["eager_ms"]) == (None, None, None, 40)
    assert (row["bound_ms"], row["bound"], row["openvino"]) == (None, None, None)


def test_the_bound_is_that_of_the_record():
    ceilings = {"threads": 1, "fp32_gflops": 100.0, "bf16_gflops": None, "read_gbps": 10.0}
    bounded = record(False, eager=40, warpweave=20) | {"ceilings": ceilings, "flops": 1e9, "bytes": 5e7}
    (row,) = rows({"records": [bounded]})
    assert (row["bound_ms"], row["bound"]) == (10, 0.5)
    (row,) = rows({"records": [bounded | {"bytes": 15e7}]})
    assert (row["bound_ms"], row["bound"]) == (15, 0.75)


def test_batches_are_cases_of_their_own():
    outcome = {"records": [
        record(False, eager=40, warpweave=20),
        record(False, eager=90, warpweave=30) | {"batch": 4},
    ]}  # fmt: skip
    assert [(row["batch"], row["eager"]) for row in rows(outcome)] == [(1, 2), (4, 3)]


def test_other_runtimes_are_measured_without_freezing():
    outcome = {"records": [
        record(False, eager=40, warpweave=20, onnxruntime=30),
        record(True, eager=40, warpweave=10),
    ]}  # fmt: skip
    outcome["records"][0]["systems"]["llama.cpp"] = {"median_ms": 10}
    (row,) = rows(outcome)
    assert (row["onnxruntime"], row["onnxruntime_ms"], row["openvino"]) == (1.5, 30, None)
    assert (row["llama.cpp"], row["llama.cpp_ms"]) == (0.5, 10)


def test_geomean_ignores_gaps():
    assert math.isclose(geomean([2.0, None, 8.0]), 4.0)
    assert geomean([None]) is None


def test_summary_is_in_milliseconds():
    found = summary([0.001 * n for n in range(101)])
    assert {name: round(value) for name, value in found.items()} == {
        "median_ms": 50, "p10_ms": 10, "p90_ms": 90, "p99_ms": 99, "min_ms": 0, "calls": 101,
    }  # fmt: skip


def test_markdown_holds_the_machine_and_the_total():
    machine = {"cpu": "a CPU", "cores": 2, "flags": ["avx2"], "packages": {"torch": "2.13"}, "commit": "0123456789ab"}
    outcome = {"machine": machine, "date": "today", "records": [record(False, eager=40, inductor=30, warpweave=20)]}
    text = markdown(outcome)
    assert "a CPU, 2 cores (avx2), torch 2.13, today, commit 0123456789" in text
    heading, *_, last = text.splitlines()[2:]
    assert heading == (
        "| model | phase | dtype | threads | batch | eager ms | Inductor ms | warpweave ms "
        "| × eager | × Inductor | × faster of both |"
    )
    assert last == "| geomean |  |  |  |  |  |  |  | 2.00 | 1.50 | 1.50 |"


def test_a_marked_section_is_replaced(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("a <!-- bench:begin -->old<!-- bench:end --> z")
    replace_marked(path, "bench", "new")
    replace_marked(path, "bench", "newer")
    assert path.read_text() == "a <!-- bench:begin -->\nnewer\n<!-- bench:end --> z"
    with pytest.raises(ValueError, match="models:begin"):
        replace_marked(path, "models", "new")
