"""Hostile calls: programs compiled ahead of time, called with arguments that fit badly or not at all.

A call ends in an exception, or in what eager PyTorch gives for the same arguments. It never ends the process, reads memory
that is not its own, or answers where PyTorch refuses. `make sanitize` makes the calls of kernels and a runner that were
built with AddressSanitizer and UndefinedBehaviorSanitizer, which end the process at what would else go unseen.
"""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from .workers import Died, Note, cores, each, one_by_one

PACK = 25
"""Calls of one task."""


@dataclass(frozen=True)
class Pack:
    """The calls `first` … `first + PACK - 1` of a seed."""

    seed: int
    first: int


@dataclass(frozen=True)
class Finding:
    """A call that ended as none may. `call`: its number; `how`: the program and what was done to its arguments."""

    call: int
    how: str
    what: str


@dataclass
class Outcome:
    """`answered`: calls that gave what PyTorch gives; `refused`: those that raised."""

    answered: int = 0
    refused: int = 0
    findings: list[Finding] = field(default_factory=list[Finding])

    def add(self, other: Outcome) -> None:
        self.answered, self.refused = self.answered + other.answered, self.refused + other.refused
        self.findings += other.findings


def run(calls: int, seed: int = 0, jobs: int | None = None) -> Iterator[Outcome]:
    """The outcomes of packs of calls; a death is a finding, and the calls behind it in its pack are not made."""
    packs = [Pack(seed, first) for first in range(0, calls, PACK)]
    for pack, result in each(made, one_by_one(packs), jobs or cores(), silent_s=300.0):
        if isinstance(result, Died):
            number, how = result.at or (pack.first, "before the first call")
            yield Outcome(findings=[Finding(number, how, f"the process died: {result.how}")])
        else:
            yield result


def made(pack: Pack, note: Note) -> Outcome:
    """The calls of one pack; `note` hears each before it is made."""
    torch.manual_seed(pack.seed)
    outcome = Outcome()
    for number in range(pack.first, pack.first + PACK):
        source = random.Random(f"{pack.seed}:{number}")
        name = source.choice(list(PROGRAMS))
        arguments = list(PROGRAMS[name].arguments(source))
        names = _edits(source)
        for edit in names:
            with contextlib.suppress(Exception):  # one that does not go with the one before it
                EDITS[edit](arguments, source)
        how = f"{name}: {', '.join(names)}"
        note((number, how))
        given = arguments if "freed" in names else _copies(arguments)
        ours = ended(compiled(name), given)
        if isinstance(ours, Exception):
            outcome.refused += 1
        elif (what := "it answers" if "freed" in names else wrong(name, ours, arguments)) is not None:
            outcome.findings.append(Finding(number, how, what))
        else:
            outcome.answered += 1
    return outcome


def _edits(source: random.Random) -> list[str]:
    """One or two edits; what is without memory, or without end, is not edited any more."""
    drawn = dict.fromkeys(source.choice(list(EDITS)) for _ in range(source.randint(1, 2)))
    last = [name for name in drawn if name in ("endless", "freed")]
    return [*(name for name in drawn if name not in last), *last[:1]]


def wrong(name: str, ours: Sequence[Any], arguments: Sequence[Any]) -> str | None:
    """What is wrong with the results of a call and its arguments after it."""
    theirs = ended(model(name), [_tensor(x) for x in _copies(arguments)])
    if isinstance(theirs, Exception):
        return f"it answers where PyTorch raises {type(theirs).__name__}: {theirs}"
    for mine, wanted in zip(ours, theirs, strict=True):
        if not isinstance(wanted, torch.Tensor) or wanted.is_meta:
            continue
        try:
            bound = 1e-3 if wanted.dtype.is_floating_point else 0
            torch.testing.assert_close(mine, wanted, rtol=bound, atol=bound, equal_nan=True)
        except AssertionError as error:
            return str(error).strip().replace("\n", " ")
    return None


def ended(function: Callable[..., Any], arguments: Sequence[Any]) -> list[Any] | Exception:
    """The results and the arguments after the call, or what was raised."""
    try:
        with torch.no_grad():
            result = function(*arguments)
        return [_tensor(x) for x in (result, *arguments)]
    except Exception as error:
        return error


def _copies(arguments: Sequence[Any]) -> list[Any]:
    """The arguments for one of two calls; what shares memory shares it in the copy."""
    try:
        return copy.deepcopy(list(arguments))
    except Exception:  # what cannot be copied is not written either
        return list(arguments)


def _tensor(x: Any) -> Any:
    """An array as a tensor: programs take either."""
    return torch.from_numpy(np.ascontiguousarray(x)) if isinstance(x, np.ndarray) else x


# ---- programs --------------------------------------------------------------------------------------------------


class _Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = torch.nn.RMSNorm(40), torch.nn.Linear(40, 72), torch.nn.Linear(72, 40)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(F.silu(self.up(self.norm(x))))


class _Lookup(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(50, 24)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(self.table(ids), (24,))


class _Attention(torch.nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, mask)


class _Append(torch.nn.Module):
    """A cache that is written in place, at positions that the caller gives."""

    def forward(self, kept: torch.Tensor, new: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        kept.index_copy_(1, at, new)
        return kept.sum(-1)


class _Rows(torch.nn.Module):
    def forward(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return x[rows].softmax(-1)


class _Integers(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x * y + (x >> 3)) ^ y


class _Pieces(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.cat([x * 2, y.transpose(0, 1)], 1)[:, 1:].amax(0)


@dataclass(frozen=True)
class _Program:
    """`arguments`: some that fit. `dynamic`: of each argument the dims that differ from call to call."""

    made: Callable[[], torch.nn.Module]
    arguments: Callable[[random.Random], tuple[Any, ...]]
    dynamic: tuple[Mapping[int, str], ...]


def _floats(source: random.Random, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(source.getrandbits(32)))


def _whole(source: random.Random, end: int, *shape: int, dtype: torch.dtype = torch.int64) -> torch.Tensor:
    return torch.randint(end, shape, generator=torch.Generator().manual_seed(source.getrandbits(32)), dtype=dtype)


def _sizes(source: random.Random) -> tuple[int, int]:
    return source.randint(2, 5), source.randint(2, 19)


def _for_attention(source: random.Random) -> tuple[torch.Tensor, ...]:
    b, s = _sizes(source)
    return (*(_floats(source, b, 4, s, 16) for _ in range(3)), _floats(source, s, s))


def _for_append(source: random.Random) -> tuple[torch.Tensor, ...]:
    b, s = _sizes(source)
    return _floats(source, b, 32, 8), _floats(source, b, s, 8), torch.randperm(32)[:s]


def _for_integers(source: random.Random) -> tuple[torch.Tensor, ...]:
    b, s = _sizes(source)
    return _whole(source, 1 << 30, b, s, dtype=torch.int32), _whole(source, 1 << 30, b, s, dtype=torch.int32)


def _for_pieces(source: random.Random) -> tuple[torch.Tensor, ...]:
    b, s = _sizes(source)
    return _floats(source, b, s), _floats(source, 7, b)


PROGRAMS: dict[str, _Program] = {
    "layer": _Program(_Layer, lambda r: (_floats(r, *_sizes(r), 40),), ({0: "B", 1: "S"},)),
    "lookup": _Program(_Lookup, lambda r: (_whole(r, 50, *_sizes(r)),), ({0: "B", 1: "S"},)),
    "attention": _Program(_Attention, _for_attention, (*[{0: "B", 2: "S"}] * 3, {0: "S", 1: "S"})),
    "append": _Program(_Append, _for_append, ({0: "B"}, {0: "B", 1: "S"}, {0: "S"})),
    "rows": _Program(_Rows, lambda r: (_floats(r, 30, 12), _whole(r, 30, r.randint(2, 9))), ({0: "B"}, {0: "S"})),
    "integers": _Program(_Integers, _for_integers, ({0: "B", 1: "S"},) * 2),
    "pieces": _Program(_Pieces, _for_pieces, ({0: "B", 1: "S"}, {1: "B"})),
}  # fmt: skip


@cache
def model(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return PROGRAMS[name].made().eval()


@cache
def compiled(name: str) -> Callable[..., Any]:
    from ..compiler import compile as ahead_of_time

    program = PROGRAMS[name]
    dims = [{axis: torch.export.Dim(size, max=1 << 40) for axis, size in d.items()} for d in program.dynamic]
    exported = torch.export.export(
        model(name), program.arguments(random.Random(0)), dynamic_shapes=tuple(dims), strict=False
    )
    return ahead_of_time(exported)


# ---- what is done to arguments ---------------------------------------------------------------------------------

Edit = Callable[[list[Any], random.Random], None]
DTYPES = (
    torch.float16,
    torch.bfloat16,
    torch.float64,
    torch.int8,
    torch.uint8,
    torch.int64,
    torch.bool,
    torch.complex64,
)
LARGE = (2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1)
EDGES = (float("nan"), float("inf"), -float("inf"), -0.0, 1e-40, 3e38)


def _one(change: Callable[[Any, random.Random], Any]) -> Edit:
    """An edit of one tensor."""

    def edit(arguments: list[Any], source: random.Random) -> None:
        tensors = [i for i, x in enumerate(arguments) if isinstance(x, torch.Tensor) and x.device.type == "cpu"]
        if tensors:
            at = source.choice(tensors)
            arguments[at] = change(arguments[at], source)

    return edit


def _resized(x: torch.Tensor, source: random.Random) -> torch.Tensor:
    shape = list(x.shape)
    if shape:
        shape[source.randrange(len(shape))] = source.choice((0, 1, 3, 31, 33, 65))
    return torch.zeros(shape, dtype=x.dtype)


def _numbers(x: torch.Tensor, source: random.Random) -> torch.Tensor:
    """Some numbers that are unlikely: for indices those beyond every table."""
    x = x.clone()
    for _ in range(3 if x.numel() else 0):
        at = source.randrange(x.numel())
        if x.dtype.is_floating_point:
            x.view(-1)[at] = source.choice(EDGES)
        elif x.dtype in (torch.int64, torch.int32):
            info = torch.iinfo(x.dtype)
            x.view(-1)[at] = max(info.min, min(info.max, source.choice((-1, 50, 32, 30, *LARGE, *(-n for n in LARGE)))))
    return x


def _freed(x: torch.Tensor, _: random.Random) -> torch.Tensor:
    x = x.clone() if x.numel() else torch.ones(3)
    x.untyped_storage().resize_(0)
    return x


def _apart(x: torch.Tensor, source: random.Random) -> torch.Tensor:
    """The same numbers, a few elements into wider rows."""
    if not x.dim():
        return x
    wide = torch.zeros((*x.shape[:-1], x.shape[-1] + 7), dtype=x.dtype)
    inner = wide[..., (start := source.randrange(8)) : start + x.shape[-1]]
    return inner.copy_(x)


def _endless(x: torch.Tensor, source: random.Random) -> torch.Tensor:
    shape = list(x.shape) or [1]
    shape[source.randrange(len(shape))] = source.choice((2**42, 2**50))
    return torch.zeros((), dtype=x.dtype).expand(shape)


def _swapped(arguments: list[Any], source: random.Random) -> None:
    source.shuffle(arguments)


def _fewer(arguments: list[Any], source: random.Random) -> None:
    if arguments:
        arguments.pop(source.randrange(len(arguments)))


def _twice(arguments: list[Any], source: random.Random) -> None:
    if arguments:
        arguments[source.randrange(len(arguments))] = source.choice(arguments)


EDITS: dict[str, Edit] = {
    "another dtype": _one(lambda x, r: x.to(r.choice(DTYPES))),
    "another size": _one(_resized),
    "a rank more": _one(lambda x, r: x.unsqueeze(r.randrange(x.dim() + 1))),
    "a rank less": _one(lambda x, _: x[0] if x.dim() and len(x) else x.reshape(-1)),
    "transposed": _one(lambda x, _: x.mT if x.dim() > 1 else x),
    "every other": _one(lambda x, _: x.repeat_interleave(2, -1)[..., ::2] if x.dim() else x),
    "apart": _one(_apart),
    "one element": _one(lambda x, _: x.flatten()[:1].expand(x.numel()).reshape(x.shape) if x.numel() else x),
    "expanded": _one(lambda x, _: x[:1].expand(x.shape) if x.dim() and len(x) else x),
    "overlapping": _one(lambda x, _: torch.as_strided(x, x.shape, [1] * x.dim()) if x.numel() else x),
    "endless": _one(_endless),
    "numbers": _one(_numbers),
    "freed": _one(_freed),
    "meta": _one(lambda x, _: x.to("meta")),
    "sparse": _one(lambda x, _: x.to_sparse() if x.layout == torch.strided else x),
    "negated view": _one(lambda x, _: torch.complex(x, -x).conj().imag if x.dtype is torch.float32 else x),
    "numpy": _one(lambda x, _: x.numpy() if x.dtype != torch.bfloat16 and x.layout == torch.strided else x),
    "flipped numpy": _one(lambda x, _: x.numpy()[..., ::-1] if x.dim() and x.layout == torch.strided else x),
    "a number": _one(lambda x, r: r.choice((0, -1, 2.5, 2**70, True))),
    "nothing": _one(lambda x, _: None),
    "a text": _one(lambda x, _: "tensor"),
    "a list": _one(lambda x, _: [x]),
    "needs a gradient": _one(lambda x, _: x.requires_grad_() if x.dtype.is_floating_point and x.is_leaf else x),
    "swapped": _swapped,
    "fewer": _fewer,
    "one twice": _twice,
    "more": lambda arguments, _: arguments.append(torch.zeros(3)),
}  # fmt: skip
