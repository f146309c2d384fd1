"""The picture of a recorded benchmark has the size that its cases ask for."""

import struct

import pytest

from warpweave.bench import plot
from warpweave.bench.report import rows

pytest.importorskip("matplotlib")
CEILINGS = {"threads": 1, "fp32_gflops": 100.0, "bf16_gflops": None, "read_gbps": 10.0}


def record(phase, threads, freezing=False, **medians):
    case = {"model": "m", "phase": phase, "dtype": "fp32", "threads": threads, "batch": 4, "freezing": freezing}
    work = {"ceilings": CEILINGS, "flops": 1e9, "bytes": 1e6}
    return case | work | {"systems": {name: {"median_ms": ms} for name, ms in medians.items()}}


OUTCOME = {"records": [
    record("prefill-128", 1, eager=40, inductor=30, warpweave=20, onnxruntime=25),
    record("prefill-128", 1, freezing=True, eager=40, inductor=28, warpweave=20),
    record("decode-512", 1, eager=4, warpweave=2),
    record("decode-512", 2, eager=3, warpweave=2),
]}  # fmt: skip


def test_a_panel_holds_a_dtype_and_a_thread_count():
    found = plot.panels(rows(OUTCOME))
    assert {title: len(group) for title, group in found.items()} == {"fp32, threads: 1": 2, "fp32, threads: 2": 1}


def test_the_png_has_the_stated_size(tmp_path):
    plot.draw(OUTCOME, tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == plot.size(rows(OUTCOME)) == (624, 768)


def test_bars_are_as_high_as_the_medians():
    from matplotlib.figure import Figure

    axis = Figure().add_subplot()
    plot.bars(axis, "one", plot.panels(rows(OUTCOME))["fp32, threads: 1"])
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in axis.containers}
    assert heights == {
        "warpweave": [20, 2], "eager": [40, 4], "Inductor": [30, 0], "Inductor freezing": [28, 0],
        "ONNX Runtime": [25, 0],
    }  # fmt: skip
    bounds = [line.get_segments()[0][0][1] for line in axis.collections]
    assert bounds == [10, 10]
