"""What a compilation says of itself: `warpweave.reports()`, `explain`, tests and the log read the dicts made here."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from .ir import flow, locations, verify
from .ir.dims import Dim, product
from .ir.ledger import Ledger
from .ir.signature import functions_of
from .ir.text import to_text
from .ir.types import BITS, TensorType, is_float, tensor_type
from .planner import Step
from .runtime.artifact import ProgramDescription, aten_calls, launches
from .runtime.program import Program

_reports: list[dict[str, Any]] = []
_lock = Lock()


def reports() -> list[dict[str, Any]]:
    """One dict for each graph compiled in this process, oldest first."""
    with _lock:
        return list(_reports)


def publish(report: dict[str, Any]) -> None:
    with _lock:
        _reports.append(report)


def publish_failure(name: str, kind: str, error: Exception, rows: Sequence[dict[str, Any]] = ()) -> None:
    """The report of a graph that runs in PyTorch whole because compiling it failed. `rows`: its operators, all of them."""
    publish({**joined(name, [], rows), "kind": kind, "error": f"{type(error).__name__}: {error}"})


def joined(name: str, reports: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The report of a graph in several programs. `rows`: the operators that PyTorch runs between them."""
    seconds = Counter[str]()
    for report in reports:
        seconds.update(report["compile_s"])
    caches = [report["cache"] for report in reports]
    moved = [report["bytes_moved"] for report in reports]
    kept = ("kernels", "fallbacks", "ledger")
    added = ("ops", "supported", "aten_calls", "packed_bytes")
    empty = describe_nothing(name)
    whole: dict[str, Any] = {
        **empty,
        **{key: [row for report in reports for row in report[key]] for key in kept},
        **{key: sum(report[key] for report in reports) for key in added},
        "kernels_per_layer": max((report["kernels_per_layer"] for report in reports), default=0),
        "compile_s": dict(seconds),
        "bytes_moved": {key: " + ".join(m[key] for m in moved if m[key] != "0") or "0" for key in empty["bytes_moved"]},
        "cache": {
            "hit": bool(caches) and all(cache["hit"] for cache in caches),
            "kernels": sum(cache["kernels"] for cache in caches),
            "compiled": sum(cache["compiled"] for cache in caches),
            "differs": next((cache["differs"] for cache in caches if cache["differs"]), None),
        },
    }
    whole["fallbacks"] += rows
    whole["ops"] += len(rows)
    whole["aten_calls"] += len(rows)
    return whole


def describe_nothing(name: str) -> dict[str, Any]:
    """A report with every key and nothing in it."""
    return {
        "name": name, "kind": "", "error": None, "kernels": [], "kernels_per_layer": 0, "ops": 0, "supported": 0,
        "fallbacks": [], "aten_calls": 0, "ledger": [], "compile_s": {},
        "cache": {"hit": False, "kernels": 0, "compiled": 0, "differs": None},
        "bytes_moved": {"before": "0", "after": "0"}, "packed_bytes": 0,
    }  # fmt: skip


class UnsupportedError(Exception):
    """Operators that would be left to PyTorch, under `strict`; `fallbacks` lists all of them."""

    def __init__(self, fallbacks: Sequence[dict[str, Any]]):
        self.fallbacks = list(fallbacks)
        rows = "\n".join(f"  {f['op']} at {f['module'] or '?'}: {f['reason']}" for f in self.fallbacks)
        super().__init__(
            f"{len(self.fallbacks)} operators are not compiled, and `strict` is set:\n{rows}\n"
            "Next: drop `strict`, or rewrite them."
        )


class Phases:
    """Seconds by phase: `with phases("passes"): …`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Generator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Coverage:
    """What the imported graph holds: ops (constants are none), and the bytes that op-by-op execution moves."""

    ops: int
    bytes: Dim


def coverage(module: ModuleOp) -> Coverage:
    """Counts of a flow module as imported."""
    ops = [op for op in _body(module) if not isinstance(op, flow.ConstantOp | func.ReturnOp)]
    return Coverage(len(ops), sum((_bytes(op) for op in ops if not isinstance(op, flow.VIEWS)), Dim()))


def fallback_rows(module: ModuleOp) -> list[dict[str, Any]]:
    """One row for each operator of a fused module that is left to PyTorch, calls of layer functions inlined."""
    return [
        {
            "op": op.target.data,
            "module": ", ".join(locations.modules(op)),
            "reason": op.reason.data,
            "cost": str(_bytes(op)),
        }
        for op, _ in _executed(module)
        if isinstance(op, flow.AtenOp)
    ]


def kernel_row(op: Operation) -> dict[str, Any]:
    """What is said of a fused op that becomes a kernel."""
    kind, modules = op.name.removeprefix("fused."), locations.modules(op)
    return {"kind": kind, "text": to_text(op), "modules": modules, "layer": _layer(op), "bytes": _bytes(op)}


def kernel_rows(
    module: ModuleOp, made: Mapping[Operation, dict[str, Any]], steps: Sequence[Step]
) -> list[dict[str, Any]]:
    """One row a kernel launch of a tile module, in the order of `steps`. `made`: the row of the fused op that became a launch,
    which in a layer's function runs once for each layer."""
    rows: dict[Operation, deque[dict[str, Any]]] = {op: deque() for op in made}
    for op, layer in _executed(module):
        if op in made:
            rows[op].append({**made[op], "layer": layer or made[op]["layer"]})
    return [rows[step.op].popleft() for step in steps if step.op in rows]


def _executed(module: ModuleOp) -> Iterator[tuple[Operation, str]]:
    """Every op that is not constant, with the layer that the call it runs in stands for."""
    functions = functions_of(module)

    def walk(function: func.FuncOp, layer: str) -> Iterator[tuple[Operation, str]]:
        constants = verify.constant_ops(function)
        for op in function.body.block.ops:
            if isinstance(op, func.CallOp):
                yield from walk(functions[op.callee.root_reference.data], _layer(op) or layer)
            elif op not in constants:
                yield op, layer

    return walk(functions["main"], "")


def describe(
    name: str,
    before: Coverage,
    rows: Sequence[dict[str, Any]],
    fallbacks: Sequence[dict[str, Any]],
    description: ProgramDescription,
    program: Program,
    ledger: Ledger,
    phases: Phases,
) -> dict[str, Any]:
    """The report of one graph."""
    names = [description.kernels[launch.kernel].name for launch in launches(description)]
    kernels = [
        {"name": n, **{k: row[k] for k in ("kind", "text", "modules", "layer")}}
        for n, row in zip(names, rows, strict=True)
    ]
    layers = Counter(row["layer"] for row in rows if row["layer"])
    missed = [lookup for lookup in program.lookups if not lookup.hit]
    after = sum((row["bytes"] for row in rows), Dim())
    return {
        **describe_nothing(name),
        "kernels": kernels,
        "kernels_per_layer": max(layers.values(), default=0),
        "ops": before.ops,
        "supported": before.ops - len(fallbacks),
        "fallbacks": list(fallbacks),
        "aten_calls": len(aten_calls(description)),
        "ledger": ledger.as_dicts(),
        "compile_s": {phase: round(seconds, 4) for phase, seconds in phases.seconds.items()},
        "cache": {
            "hit": not missed,
            "kernels": len(program.lookups),
            "compiled": len(missed),
            "differs": next((lookup.component for lookup in missed if lookup.component), None),
        },
        "bytes_moved": {"before": str(before.bytes), "after": str(after)},
        "packed_bytes": sum(_constant_bytes(c) for c in description.constants),
    }


def _constant_bytes(constant: Any) -> int:
    from .runtime.artifact import ITEM_SIZES

    return product([Dim.of(n) for n in constant.shape]).value * ITEM_SIZES[constant.dtype]


def _body(module: ModuleOp) -> list[Operation]:
    return [op for f in module.ops if isinstance(f, func.FuncOp) for op in f.body.block.ops]


def _layer(op: Operation) -> str:
    """`model.layers.3`, where the op's first module path lies in that layer; the positions of all layers lie in none."""
    if op.results and not any(is_float(tensor_type(r).element) for r in op.results):
        return ""
    found = next((locations.layer_of(path) for path in locations.modules(op)), None)
    return f"{found[0]}.{found[1]}" if found is not None else ""


def _bytes(op: Operation) -> Dim:
    """Bytes of the op's operands and results."""
    types = [v.type for v in (*op.operands, *op.results) if isinstance(v.type, TensorType)]
    return sum((product(t.shape) * BITS[t.dtype] for t in types), Dim()) // 8
