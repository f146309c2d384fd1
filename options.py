"""The options of the compiler, one row each; shared by `torch.compile(options=…)`, the command line and the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal

BACKENDS = ("auto", "cpu", "triton")
ISAS = ("amx", "avx512", "avx2", "portable")
PACK_WEIGHTS = ("auto", "never")


class OptionError(ValueError):
    """An option that is not known, has a value it cannot have, or does not go with another one."""


@dataclass(frozen=True)
class Options:
    """`backend`: who makes the kernels; `auto` goes by the device of the graph's tensors, `cpu` for the CPU, `triton` for a
    GPU. `interpret`: kernels of the Triton backend run in Triton's interpreter, on CPU tensors: slow, and no GPU is needed.

    `isa`: instruction set of the CPU kernels (None: the best this machine has). `strict`: an operator that would be
    left to PyTorch is an error that lists all of them. `verify_each`: level verifiers after every pass. `pack_weights`:
    `auto` keeps a copy of each weight in the order in which kernels read it; `never` keeps none: about half the memory, and
    slower, because every call transposes (and norms stay apart from the products that follow them).
    """

    backend: Literal["auto", "cpu", "triton"] = "auto"
    interpret: bool = False
    isa: Literal["amx", "avx512", "avx2", "portable"] | None = None
    pack_weights: Literal["auto", "never"] = "auto"
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
}
_EXCLUSIVE: tuple[tuple[Callable[[Options], bool], str, str, str], ...] = (
    (
        lambda o: o.interpret and o.backend != "triton",
        "interpret=True without backend='triton'",
        "only kernels of the Triton backend have an interpreter",
        "give backend='triton' too, or leave interpret out",
    ),
    (
        lambda o: o.isa is not None and o.backend == "triton",
        "isa with backend='triton'",
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
