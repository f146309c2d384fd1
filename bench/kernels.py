"""Where the time of a compiled model goes: each native launch timed on its own, against the machine's ceilings."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from .. import reports
from ..ir.types import BITS
from ..runtime.call import Call
from ..runtime.device import Fault
from ..runtime.program import Program
from .ceilings import Ceilings

Times = dict[int, list[float]]
"""Launch number → seconds of each time it ran."""
_TYPE = re.compile(r"!flow\.tensor<\[([^\]]*)\], (\w+)>")


class Tensor(NamedTuple):
    """A type in a kernel's text."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def item_bytes(self) -> int:
        return BITS[self.dtype] // 8

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.item_bytes


class Work(NamedTuple):
    """What one launch does: FLOPs of its products, bytes of its operands and results, the dtype of its products."""

    flops: int
    bytes: int
    dtype: str


@contextmanager
def launches_timed() -> Generator[dict[Program, Times]]:
    """While open, programs run their launches one at a time, and the seconds of each are in the dict.

    Relies on `Program._run_steps` calling `Device.run(first launch, count, …)`, which may be split.
    """
    found: dict[Program, Times] = {}
    whole = Program._run_steps

    def timed(program: Program, call: Call) -> None:
        times, device = found.setdefault(program, defaultdict(list)), program._device
        run = device.run

        def one_by_one(first: int, count: int, call: Call) -> Fault | None:
            for launch in range(first, first + count):
                start = time.perf_counter()
                fault = run(launch, 1, call)
                times[launch].append(time.perf_counter() - start)
                if fault:
                    return fault
            return None

        with patch.object(device, "run", one_by_one):
            whole(program, call)

    with patch.object(Program, "_run_steps", timed):
        yield found


def profile(call: Callable[[], Any], ceilings: Ceilings, repeats: int = 5) -> list[dict[str, Any]]:
    """One row for each kernel that `call()` runs in programs compiled in this process, the longest first.

    `calls`, `ms`, `flops` and `bytes` are of one `call()`; `ms` sums medians over `repeats` calls, and has the entry
    into a parallel region in it for each launch. `ceiling` names the one of "flops" and "bytes" that the kernel is
    nearer to, `fraction` how near. Sizes must be numbers (`dynamic=False`), else ValueError.
    """
    with launches_timed() as found:
        for _ in range(repeats):
            call()
    rows: dict[str, dict[str, Any]] = {}
    for program, times in found.items():
        report = next(r for r in reversed(reports()) if r["name"] == program.description.name and not r["error"])
        for launch, kernel in enumerate(report["kernels"]):
            work, count = work_of(kernel["kind"], kernel["text"]), len(times[launch]) // repeats
            row = rows.setdefault(
                kernel["name"],
                {"name": kernel["name"], "dtype": work.dtype, "calls": 0, "ms": 0.0, "flops": 0, "bytes": 0},
            )
            row["calls"] += count
            row["ms"] += 1e3 * statistics.median(times[launch]) * count
            row["flops"] += work.flops * count
            row["bytes"] += work.bytes * count
    return sorted((row | rates(row, ceilings) for row in rows.values()), key=lambda row: -row["ms"])


def rates(row: dict[str, Any], ceilings: Ceilings) -> dict[str, Any]:
    """10⁹ FLOP/s, 10⁹ bytes/s, and the nearer ceiling, of a row with `ms`, `flops`, `bytes` and `dtype`."""
    gflops, gbps = (row[unit] / row["ms"] / 1e6 for unit in ("flops", "bytes"))
    near = {"flops": gflops / ceilings.peak_gflops(row["dtype"]), "bytes": gbps / ceilings.read_gbps}
    ceiling = max(near, key=near.__getitem__)
    return {"gflops": gflops, "gbps": gbps, "ceiling": ceiling, "fraction": near[ceiling]}


def work_of(kind: str, text: str) -> Work:
    """Of a kernel's row in `warpweave.reports()`.

    Attention counts as in `bench.work`: causal products and the places of a cache whole. Of a cache that is appended to
    the new rows count, of an embedding table the rows that are read.
    """
    body, _, tail = text.rpartition("->")
    head = body.partition("\n")[0]
    operands, results = types(head), types(tail)
    moved = [*operands, *results]
    for op, (table, rows) in _IN_PART.items():
        for found in (types(line) for line in body.splitlines() if op in line):
            moved = [t for t in moved if t != found[table]] + [Tensor(found[rows].shape, found[table].dtype)]
    dtype = operands[0].dtype if operands else ""
    return Work(_FLOPS.get(kind, _none)(head, operands, results), sum(t.bytes for t in moved), dtype)


def types(text: str) -> list[Tensor]:
    """The tensor types in a text, in order. Raises ValueError for a symbolic size."""
    return [Tensor(tuple(map(int, filter(None, sizes.split(", ")))), dtype) for sizes, dtype in _TYPE.findall(text)]


def _gemm(head: str, operands: list[Tensor], _: list[Tensor]) -> int:
    weights = types(head.partition(" weights ")[2].partition(" sides ")[0])
    return 2 * math.prod(operands[0].shape) * sum(weight.shape[0] for weight in weights)


def _attention(_: str, operands: list[Tensor], results: list[Tensor]) -> int:
    query, key, *_rest = operands
    return 2 * key.shape[1] * (math.prod(query.shape) + math.prod(results[0].shape))


def _matmul(_: str, operands: list[Tensor], results: list[Tensor]) -> int:
    return 2 * math.prod(results[0].shape) * operands[0].shape[-1]


def _none(*_: Any) -> int:
    return 0


_FLOPS: dict[str, Callable[[str, list[Tensor], list[Tensor]], int]] = {
    "gemm": _gemm,
    "attention": _attention,
    "matmul": _matmul,
}
_IN_PART = {"flow.kv_append": (0, 1), "flow.embedding": (1, -1)}
"""Ops that touch rows of a whole: which of the types in their line is the whole, and which has the rows' shape."""
