"""PyTorch's own operator database, every sample of it, compiled and compared with eager: `make opinfo`.

An operator, a dtype and a mode (`forward`, or `gradients` of a training graph) are a task. Its samples are compiled a few
at a time; where such a batch is wrong, raises or leaves as a whole, each sample is tried alone. A sample that
`aot_eager` gets wrong in the same way is PyTorch's own fault and counted as such.
"""

from __future__ import annotations

import random
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate
from typing import Any, Literal

import torch
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from .compare import differences
from .workers import Note

DTYPES = {
    str(d).removeprefix("torch."): d for d in (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool)
}
WIDE = {torch.float16: torch.float64, torch.bfloat16: torch.float64, torch.float32: torch.float64,
        torch.complex64: torch.complex128, torch.complex32: torch.complex128}  # fmt: skip
BATCH = 8
UNINITIALISED = ("empty", "new_empty")

Mode = Literal["forward", "gradients"]


@dataclass(frozen=True)
class Task:
    """Samples of one operator from `first` on, `batch` in a compiled function; at most `limit` of them, drawn by `seed`."""

    op: str
    dtype: str
    mode: Mode
    seed: int = 0
    limit: int | None = None
    first: int = 0
    batch: int = BATCH

    @property
    def name(self) -> str:
        return f"{self.op} {self.dtype} {self.mode}"


@dataclass
class Outcome:
    """Counts of samples by what became of them, the reasons of what was left to PyTorch, and what is wrong."""

    samples: Counter[str] = field(default_factory=Counter[str])
    left: Counter[str] = field(default_factory=Counter[str])
    wrong: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def add(self, other: Outcome) -> None:
        self.samples += other.samples
        self.left += other.left
        self.wrong += other.wrong


@cache
def database() -> dict[str, Any]:
    """The operators by their full name."""
    try:
        from torch.testing._internal.common_methods_invocations import op_db
    except ImportError as missing:
        raise SystemExit(
            f"opinfo: PyTorch's operator database cannot be imported: {missing}\n  next: pip install 'warpweave[test]'"
        ) from missing

    return {".".join(filter(None, (op.name, op.variant_test_name))): op for op in op_db}


def tasks(ops: Sequence[str], dtypes: Sequence[str], seed: int, limit: int | None = None) -> list[Task]:
    """Every task of the operators (all, if none is named), in an order drawn by `seed`."""
    found: list[Task] = []
    for name, op in database().items():
        if ops and name not in ops and op.name not in ops:
            continue
        for dtype in dtypes:
            if DTYPES[dtype] in op.supported_dtypes("cpu"):
                found.append(Task(name, dtype, "forward", seed, limit))
            if op.supports_autograd and DTYPES[dtype] in op.supported_backward_dtypes("cpu"):
                found.append(Task(name, dtype, "gradients", seed, limit))
    random.Random(seed).shuffle(found)
    return found


@cache
def claimed() -> tuple[str, ...]:
    """Operators of the database that the importer has a rule for, by their ATen name."""
    from ..frontend.aten_table import TABLE

    rules = {target.split(".")[1].strip("_") for target in TABLE}
    return tuple(sorted(name for name, op in database().items() if {op.aten_name, op.name.rpartition(".")[2]} & rules))


def check(task: Task, note: Note = lambda at: None) -> Outcome:
    """All samples of a task. `note` hears the number of the sample that comes next, and what was found before it."""
    outcome, samples = Outcome(), _samples(task)
    for first in range(task.first, len(samples), task.batch):
        note((first, outcome))
        batch = [(i, s) for i, s in enumerate(samples[first : first + task.batch], first) if s.runs(outcome)]
        if not batch:
            continue
        found = _compared([s for _, s in batch])
        if found.wrong and len(batch) > 1:
            found = Outcome()
            for number, sample in batch:
                one = _compared([sample])
                found.add(replace(one, wrong=[(number, what) for _, what in one.wrong]))
        else:
            found.wrong = [(batch[0][0], what) for _, what in found.wrong]
        outcome.add(found)
    return outcome


@dataclass
class _Sample:
    """One call of an operator; `rebuild(tensors)` are its arguments. `eager` and `exact` are computed by `runs`."""

    op: Any
    mode: Mode
    tensors: list[torch.Tensor]
    rebuild: Callable[[Sequence[Any]], Any]
    process: Callable[[Any], Any]
    eager: Any = None
    exact: Any = None
    random: bool = False

    def runs(self, outcome: Outcome) -> bool:
        """Whether eager computes it; counts in `outcome` why not."""
        call = _together([self])
        try:
            self.eager = _results(call, [self])[0]
            again = _results(call, [self], seed=1)[0]
        except Exception as error:
            outcome.samples[f"not in eager: {type(error).__name__}"] += 1
            return False
        self.random = self.op.name.startswith(UNINITIALISED) or bool(differences(again, self.eager, None))
        try:
            self.exact = _results(call, [replace(self, tensors=[_wide(t) for t in self.tensors])])[0]
        except Exception:
            self.exact = None
        return True


def _samples(task: Task) -> list[_Sample]:
    op = database()[task.op]
    torch.manual_seed(task.seed)
    try:
        found = [
            _sample(op, task.mode, s) for s in op.sample_inputs("cpu", DTYPES[task.dtype], task.mode == "gradients")
        ]
    except Exception:
        return []
    random.Random(f"{task.seed}{task.name}").shuffle(found)
    return found[: task.limit]


def _sample(op: Any, mode: Mode, sample: Any) -> _Sample:
    leaves, tree = tree_flatten((sample.input, tuple(sample.args), dict(sample.kwargs)))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    others: list[Any] = [None if i in places else leaf for i, leaf in enumerate(leaves)]

    def rebuild(tensors: Sequence[Any]) -> Any:
        filled = list(others)
        for place, tensor in zip(places, tensors, strict=True):
            filled[place] = tensor
        return tree_unflatten(filled, tree)

    return _Sample(op, mode, [leaves[i] for i in places], rebuild, sample.output_process_fn_grad)


def _compared(samples: Sequence[_Sample]) -> Outcome:
    """The samples in one compiled function."""
    from ..report import reports

    before, found, kind = len(reports()), Outcome(), "compiled"
    wrong = _wrong(samples, "warpweave")
    made = reports()[before:]
    for report in made:
        for row in report["fallbacks"]:
            found.left[f"{row['op']}: {row['reason']}"] += 1
            kind = "compiled in part" if report["kernels"] else "left to PyTorch"
        if report["error"]:
            wrong.append(f"graph leaves: {report['error'].splitlines()[0]}")
    if not made:
        kind = "no graph"
    if (
        wrong
        and len(samples) == 1
        and {_kind(what) for what in wrong} <= {_kind(w) for w in _wrong(samples, "aot_eager")}
    ):
        kind, wrong = "PyTorch's own fault", []
    found.samples["wrong" if wrong else kind] += len(samples)
    found.wrong = [(0, what) for what in wrong]
    return found


def _wrong(samples: Sequence[_Sample], backend: str) -> list[str]:
    """What is wrong with the results of one compiled function of all samples."""
    torch._dynamo.reset()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = _results(torch.compile(_together(samples), backend=backend, dynamic=False), samples)
    except Exception as error:
        return [f"exception: {type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"]
    found: list[str] = []
    for sample, mine in zip(samples, ours, strict=True):
        if sample.random:
            found += differences(tree_map(_form, mine), tree_map(_form, sample.eager), None)
        else:
            found += differences(mine, sample.eager, sample.exact)
    return found


def _together(samples: Sequence[_Sample]) -> Callable[[Sequence[Any]], list[Any]]:
    """One function of all samples' tensors: the list of their results."""
    ends = list(accumulate(len(s.tensors) for s in samples))

    def call(tensors: Sequence[Any]) -> list[Any]:
        found: list[Any] = []
        for sample, end in zip(samples, ends, strict=True):
            first, args, kwargs = sample.rebuild(tensors[end - len(sample.tensors) : end])
            found.append(sample.op.op(first, *args, **kwargs))
        return found

    return call


def _results(call: Callable[[Sequence[Any]], list[Any]], samples: Sequence[_Sample], seed: int = 0) -> list[Any]:
    """For each sample: what it returns, its tensors afterwards, and their gradients where the mode asks for them."""
    given = [[_copy(t) for t in s.tensors] for s in samples]
    torch.manual_seed(seed)
    training = samples[0].mode == "gradients"
    with torch.set_grad_enabled(training):
        results = call([t for tensors in given for t in tensors])
    return [
        (result, tensors, _gradients(sample.process(result), tensors) if training else [])
        for sample, tensors, result in zip(samples, given, results, strict=True)
    ]


def _gradients(results: Any, inputs: Sequence[torch.Tensor]) -> list[Any]:
    """Of all results, with drawn cotangents, by all inputs."""
    outputs = [r for r in tree_flatten(results)[0] if isinstance(r, torch.Tensor) and r.requires_grad]
    leaves = [t for t in inputs if t.requires_grad]
    if not outputs or not leaves:
        return []
    source = torch.Generator().manual_seed(7)
    given = [
        torch.randn(o.shape, generator=source, dtype=torch.complex64 if o.is_complex() else None).to(o.dtype)
        for o in outputs
    ]
    return list(torch.autograd.grad(outputs, leaves, given, allow_unused=True))


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    """A fresh leaf that lies as the tensor does."""
    if tensor.layout != torch.strided:
        return tensor.detach().clone().requires_grad_(tensor.requires_grad)
    copy = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
    return copy.copy_(tensor.detach()).requires_grad_(tensor.requires_grad)


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to(WIDE.get(tensor.dtype, tensor.dtype)).requires_grad_(tensor.requires_grad)


def _form(value: Any) -> Any:
    """What of a random result does not change from call to call."""
    return value.new_zeros(()).expand(value.shape) if isinstance(value, torch.Tensor) else value


def _kind(what: str) -> str:
    return what.partition(":")[0]
