"""The options of the compiler, one row each; shared by `torch.compile(options=…)`, the command line and the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

ISAS = ("amx", "avx512", "avx2", "portable")


class OptionError(ValueError):
    """An option that is not known, or has a value it cannot have."""


@dataclass(frozen=True)
class Options:
    """`isa`: instruction set of the CPU kernels (None: the best this machine has). `strict`: an operator that would be
    left to PyTorch is an error that lists all of them. `verify_each`: level verifiers after every pass.
    """

    isa: str | None = None
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
            if name != "isa" and not isinstance(value, bool):
                raise OptionError(f"warpweave: option {name!r} is True or False, not {value!r}.")
        options = Options(**(given or {}))
        if options.isa is not None and options.isa not in ISAS:
            raise OptionError(f"warpweave: option 'isa' is one of {', '.join(ISAS)}, not {options.isa!r}.")
        return options
