"""The options of the compiler, one row each; shared by `torch.compile(options=…)`, the command line and the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal

BACKENDS = ("auto", "cpu", "triton", "cuda")
ON_GPU = ("triton", "cuda")
ISAS = ("amx", "avx512_bf16", "avx512", "avx2", "portable")
PACK_WEIGHTS = ("auto", "never")
ROUND = ("fused", "each")
WEIGHTS = ("tracked", "frozen")
GPUS = ("a100", "h100", "h200", "b200", "sm_80", "sm_90", "sm_100")


class OptionError(ValueError):
    """An option that is not known, has a value it cannot have, or does not go with another one."""


@dataclass(frozen=True)
class Options:
    """`backend`: who makes the kernels; `auto` goes by the device of the graph's tensors, `cpu` for the CPU, `triton` for a
    GPU, `cuda` for a GPU with warp-specialised CUDA C++ where a kernel has that form. `interpret`: kernels of these two run on
    CPU tensors, Triton's in its interpreter, CUDA C++ in our emulator: slow, and no GPU is needed.
    `target`: the GPU that is compiled for ahead of time (None: the one here); the program is there to be saved. `autotune`:
    a GPU's kernels take the fastest of a few tiles, measured here, in place of those that are predicted to be fastest.

    `isa`: instruction set of the CPU kernels (None: the best this machine has). `strict`: an operator that would be
    left to PyTorch is an error that lists all of them. `verify_each`: level verifiers after every pass. `pack_weights`:
    `auto` keeps a copy of each weight in the order in which kernels read it; `never` keeps none: about half the memory, and
    slower, because every call transposes (and norms stay apart from the products that follow them). `weights`: `tracked` computes
    such copies again when a weight was written, by whom ever; `frozen` is the promise that no weight is ever written. `round`:
    `fused` lets bf16 keep extra digits between the ops of one kernel; `each` rounds every op's result to its type, as PyTorch
    does, and leaves patterns as they are written (docs/numerics.md).
    """

    backend: Literal["auto", "cpu", "triton", "cuda"] = "auto"
    interpret: bool = False
    target: str | None = None
    autotune: bool = False
    isa: Literal["amx", "avx512_bf16", "avx512", "avx2", "portable"] | None = None
    pack_weights: Literal["auto", "never"] = "auto"
    round: Literal["fused", "each"] = "fused"
    weights: Literal["tracked", "frozen"] = "tracked"
    strict: bool = False
    verify_each: bool = False

    @staticmethod
    def of(given: Mapping[str, Any] | None) -> Options:
        """Validated options. Raises OptionError: for an unknown one with the nearest, for two that exclude each other with
        what to do."""
        known = {f.name: f for f in fields(Options)}
        for name, value in (given or {}).items():
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise OptionError(f"warpweave has no option {name!r}.{hint} Known: {', '.join(known)}.")
            _check(name, value)
        options = Options(**(given or {}))
        for excludes, what, why, then in _EXCLUSIVE:
            if excludes(options):
                raise OptionError(f"warpweave: {what}\n  why:   {why}\n  next:  {then}")
        return options


_CHOICES: dict[str, tuple[str | None, ...]] = {
    "backend": BACKENDS,
    "isa": (*ISAS, None),
    "pack_weights": PACK_WEIGHTS,
    "round": ROUND,
    "weights": WEIGHTS,
    "target": (*GPUS, None),
}
_EXCLUSIVE: tuple[tuple[Callable[[Options], bool], str, str, str], ...] = (
    (
        lambda o: o.interpret and o.backend not in ON_GPU,
        "interpret=True without backend='triton' or 'cuda'",
        "only kernels for a GPU have an interpreter",
        "give backend='triton' or backend='cuda' too, or leave interpret out",
    ),
    (
        lambda o: o.target is not None and (o.backend not in ON_GPU or o.interpret),
        "target without backend='triton' or 'cuda', or with interpret=True",
        "target is the GPU that kernels are compiled for ahead of time",
        "give backend='triton' or backend='cuda' and leave out interpret, or leave out target",
    ),
    (
        lambda o: o.autotune and (o.backend == "cpu" or o.interpret or o.target is not None),
        "autotune without a GPU to measure on",
        "backend='cpu', interpret and target are for kernels that do not run on a GPU here",
        "leave out autotune, or compile where the GPU is",
    ),
    (
        lambda o: o.isa is not None and o.backend in ON_GPU,
        "isa with a backend for GPUs",
        "isa is the instruction set of CPU kernels, of which there are none",
        "leave out one of the two",
    ),
)
"""Which options do not go together: when, what is wrong, why, and what to do."""


def _check(name: str, value: object) -> None:
    choices = _CHOICES.get(name)
    if choices is None and not isinstance(value, bool):
        raise OptionError(f"warpweave: option {name!r} is True or False, not {value!r}.")
    if choices is not None and value not in choices:
        known = ", ".join(c for c in choices if c is not None)
        raise OptionError(f"warpweave: option {name!r} is one of {known}, not {value!r}.")
