"""The options of the compiler, one row each; shared by `torch.compile(options=…)`, the command line and the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal

ISAS = ("amx", "avx512", "avx2", "portable")
PACK_WEIGHTS = ("auto", "never")


class OptionError(ValueError):
    """An option that is not known, or has a value it cannot have."""


@dataclass(frozen=True)
class Options:
    """`isa`: instruction set of the CPU kernels (None: the best this machine has). `strict`: an operator that would be
    left to PyTorch is an error that lists all of them. `verify_each`: level verifiers after every pass. `pack_weights`:
    `auto` keeps a copy of each weight in the order in which kernels read it; `never` keeps none: about half the memory, and
    slower, because every call transposes (and norms stay apart from the products that follow them).
    """

    isa: Literal["amx", "avx512", "avx2", "portable"] | None = None
    pack_weights: Literal["auto", "never"] = "auto"
    strict: bool = False
    verify_each: bool = False

    @staticmethod
    def of(given: Mapping[str, Any] | None) -> Options:
        """Validated options. Raises OptionError naming the known ones, with the nearest."""
        known = {f.name: f for f in fields(Options)}
        for name, value in (given or {}).items():
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise OptionError(f"warpweave has no option {name!r}.{hint} Known: {', '.join(known)}.")
            _check(name, value)
        return Options(**(given or {}))


_CHOICES: dict[str, tuple[str | None, ...]] = {"isa": (*ISAS, None), "pack_weights": PACK_WEIGHTS}


def _check(name: str, value: object) -> None:
    choices = _CHOICES.get(name)
    if choices is None and not isinstance(value, bool):
        raise OptionError(f"warpweave: option {name!r} is True or False, not {value!r}.")
    if choices is not None and value not in choices:
        known = ", ".join(c for c in choices if c is not None)
        raise OptionError(f"warpweave: option {name!r} is one of {known}, not {value!r}.")
