"""Single operators beside PyTorch's own: `python -m warpweave.bench.operators --threads 1`.

A GEMM with its epilogue against a plain `F.linear` (of int8 numbers: `torch._int_mm`), which has none; attention against
`scaled_dot_product_attention`, over a prompt and over a long context. Calls take turns, there and back; a ratio is of medians
in one process. Writes JSON.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import ceilings
from .machine import describe
from .measure import WARM_UP, Spec, interleaved, summary
from .models import DTYPES, distance
from .report import OURS

PYTORCH = "pytorch"
int_mm = torch._int_mm  # pyright: ignore[reportPrivateImportUsage]


@dataclass(frozen=True)
class Case:
    """`ours` compiled against `theirs` as it is, on the same `inputs`. `read`: tensors that have to be read. `exact`: the result in
    float64, where that is not what `ours` gives for inputs of that type. `products`: of which type, where not of the results'."""

    ours: Callable[..., Tensor]
    theirs: Callable[..., Tensor]
    inputs: tuple[Tensor, ...]
    flops: float
    read: tuple[Tensor, ...]
    exact: Callable[..., Tensor] | None = None
    products: str = ""


class Gated(nn.Module):
    """Two weights of columns / 2 rows each, joined by SwiGLU."""

    def __init__(self, weight: Tensor):
        super().__init__()
        gate, up = weight.chunk(2)
        self.gate, self.up = nn.Parameter(gate.clone()), nn.Parameter(up.clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(F.linear(x, self.gate)) * F.linear(x, self.up)


class Added(nn.Module):
    """A linear with a residual."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return F.linear(x, self.weight) + skip


class Scaled(nn.Module):
    """A linear of int8 numbers, with a scale for each column."""

    def __init__(self, weight: Tensor, scale: Tensor, dtype: torch.dtype):
        super().__init__()
        self.weight, self.scale, self.dtype = nn.Buffer(weight), nn.Buffer(scale), dtype

    def forward(self, x: Tensor) -> Tensor:
        return (int_mm(x, self.weight.t()) * self.scale).to(self.dtype)


def scaled(rows: int, columns: int, depth: int) -> Callable[[torch.dtype], Case]:
    """An int8 linear with its scales, results in `dtype`, against the plain product of int8 numbers."""

    def case(dtype: torch.dtype) -> Case:
        draw = torch.Generator().manual_seed(0)
        x, weight = (torch.randint(-128, 128, (n, depth), generator=draw, dtype=torch.int8) for n in (rows, columns))
        scale = torch.rand(columns, generator=draw) / (128 * depth)
        return Case(
            Scaled(weight, scale, dtype), lambda x: int_mm(x, weight.t()), (x,), 2.0 * rows * columns * depth,
            (x, weight), lambda x: (x.double() @ weight.double().t()) * scale.double(), "i8",
        )  # fmt: skip

    return case


def gated(rows: int, columns: int, depth: int) -> Callable[[torch.dtype], Case]:
    """SwiGLU against one plain linear of all columns."""

    def case(dtype: torch.dtype) -> Case:
        x, weight = random(dtype, rows, depth), random(dtype, columns, depth)
        return Case(Gated(weight), lambda x: F.linear(x, weight), (x,), 2.0 * rows * columns * depth, (x, weight))

    return case


def added(rows: int, columns: int, depth: int) -> Callable[[torch.dtype], Case]:
    """A linear with a residual against the plain linear."""

    def case(dtype: torch.dtype) -> Case:
        x, weight, skip = random(dtype, rows, depth), random(dtype, columns, depth), random(dtype, rows, columns)
        plain = lambda x, skip: F.linear(x, weight)  # noqa: E731
        return Case(Added(weight), plain, (x, skip), 2.0 * rows * columns * depth, (x, weight, skip))

    return case


def prompt(length: int, heads: int = 16, kv_heads: int = 4, head: int = 64) -> Callable[[torch.dtype], Case]:
    """Causal attention of `length` queries. Half of the scores count as work."""

    def case(dtype: torch.dtype) -> Case:
        inputs = (random(dtype, 1, heads, length, head), *(random(dtype, 1, kv_heads, length, head) for _ in range(2)))
        call = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)  # noqa: E731
        return Case(call, call, inputs, 2.0 * heads * length * length * head, inputs)

    return case


def context(
    length: int, batch: int, heads: int = 16, kv_heads: int = 4, head: int = 64
) -> Callable[[torch.dtype], Case]:
    """One query for each sequence over `length` keys."""

    def case(dtype: torch.dtype) -> Case:
        keys = (random(dtype, batch, kv_heads, length, head) for _ in range(2))
        inputs = (random(dtype, batch, heads, 1, head), *keys)
        call = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True)  # noqa: E731
        return Case(call, call, inputs, 4.0 * batch * heads * length * head, inputs)

    return case


CASES: dict[str, Callable[[torch.dtype], Case]] = {
    "swiglu-512x5632x1024": gated(512, 5632, 1024),
    "residual-512x1024x2816": added(512, 1024, 2816),
    "int8-512x5632x1024": scaled(512, 5632, 1024),
    "int8-1x5632x1024": scaled(1, 5632, 1024),
    "prompt-512": prompt(512),
    "prompt-2048": prompt(2048),
    "prompt-8192": prompt(8192),
    "context-4096-batch-1": context(4096, 1),
    "context-4096-batch-8": context(4096, 8),
}


def random(dtype: torch.dtype, *shape: int) -> Tensor:
    """Normal numbers, the same in every run, of a size that keeps products near 1."""
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))
    return (drawn / shape[-1] ** 0.25).to(dtype)


def measure(name: str, dtype: str, limits: ceilings.Ceilings, rounds: int, budget_s: float) -> dict[str, Any]:
    """Milliseconds of both (`summary`), `over` theirs: above 1 we are faster; `bound`: the roofline's time over ours;
    `max_error`: our distance from float64."""
    torch._dynamo.reset()
    case = CASES[name](DTYPES[dtype])
    functions = {PYTORCH: case.theirs, OURS: torch.compile(case.ours, backend=OURS, dynamic=False)}
    error = distance(functions[OURS](*case.inputs), exactly(case))
    for _ in range(WARM_UP):
        for function in functions.values():
            function(*case.inputs)
    spec = Spec("", dtype, limits.threads, [], [], rounds, budget_s)
    seconds = interleaved(list(functions), lambda system: timed(functions[system], case.inputs), spec)
    medians = {system: summary(measured) for system, measured in seconds.items()}
    ours = medians[OURS]["median_ms"]
    read = float(sum(tensor.nbytes for tensor in case.read))
    return {
        "case": name, "dtype": dtype, "threads": limits.threads, "flops": case.flops, "bytes": read, "systems": medians,
        "over": medians[PYTORCH]["median_ms"] / ours, "bound": limits.bound_ms(case.products or dtype, case.flops, read) / ours,
        "gflops": case.flops / ours / 1e6, "gbps": read / ours / 1e6, "max_error": error,
    }  # fmt: skip


def exactly(case: Case) -> Tensor:
    """The result in float64."""
    if case.exact is not None:
        return case.exact(*case.inputs)
    ours = copy.deepcopy(case.ours).double() if isinstance(case.ours, nn.Module) else case.ours
    return ours(*(tensor.double() for tensor in case.inputs))


def timed(function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    function(*inputs)
    return time.perf_counter() - start


def print_table(records: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for column in ("case", "dtype", "threads", "PyTorch ms", "ours ms", "× PyTorch", "GFLOP/s", "GB/s", "of bound"):
        table.add_column(column, justify="left" if column in ("case", "dtype") else "right")
    for record in records:
        both = [record["systems"][system]["median_ms"] for system in (PYTORCH, OURS)]
        figures = [*both, record["over"], record["gflops"], record["gbps"], record["bound"]]
        table.add_row(record["case"], record["dtype"], str(record["threads"]), *(f"{figure:.2f}" for figure in figures))
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="operators", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--dtypes", nargs="+", choices=list(DTYPES), default=list(DTYPES))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=40, help="calls of each system, at most")
    parser.add_argument("--budget", type=float, default=6.0, help="seconds for each case")
    parser.add_argument("--output", type=Path, help="JSON file")
    options = parser.parse_args()
    records: list[dict[str, Any]] = []
    with torch.no_grad():
        for threads in options.threads:
            torch.set_num_threads(threads)
            limits = ceilings.measure(threads)
            records += [
                measure(name, dtype, limits, options.rounds, options.budget)
                for name in options.cases
                for dtype in options.dtypes
            ]
    print_table(records)
    if options.output:
        outcome = {"date": datetime.date.today().isoformat(), "machine": describe(), "records": records}
        options.output.write_text(json.dumps(outcome, indent=1) + "\n")


if __name__ == "__main__":
    main()
