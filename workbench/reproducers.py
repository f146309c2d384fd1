"""Reproducers: one file of MLIR whose comment header says how to make it fail again.

    // warpweave reproducer; run it again: warpweave repro FILE
    // pipeline: "canonicalise,fuse-gemm"
    // options: {"instruments": ["verify"], "seed": 0}
    // error: "FaultError: pass `fuse-gemm` fails: ValueError: ..."
    // versions: {"warpweave": "0.1.0", "torch": "2.13.0"}

The pipeline `compile` is the whole compiler, and the options are then the compiler's; `fuzz` is a check of `warpweave fuzz`,
and the options say which.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

TITLE = "// warpweave reproducer; run it again: warpweave repro FILE"
COMPILE = "compile"
FUZZ = "fuzz"
_LIST = re.compile(r"\[[^][]*\]")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?(e[-+]?\d+)?|\b(inf|nan)\b)")
_FIELDS = ("pipeline", "options", "error", "versions")


class NoReproducerError(ValueError):
    """A file without a reproducer's header."""


def versions() -> dict[str, str]:
    """Of what the compiler is made of."""
    return {"python": platform.python_version(), **{name: _version(name) for name in ("warpweave", "torch", "xdsl")}}


@dataclass(frozen=True)
class Reproducer:
    """A module as text, what to do with it, and how that ended. `error`: see `describe`."""

    module: str
    pipeline: str
    error: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    versions: Mapping[str, str] = field(default_factory=versions)

    def text(self) -> str:
        header = [f"// {name}: {json.dumps(getattr(self, name))}" for name in _FIELDS]
        return "\n".join([TITLE, *header, self.module.strip(), ""])

    @staticmethod
    def of(text: str) -> Reproducer:
        """Raises NoReproducerError where the header is not one."""
        lines = text.splitlines()
        values: dict[str, Any] = {}
        for line in lines:
            if not line.startswith("//"):
                break
            name, _, value = line.removeprefix("//").strip().partition(": ")
            if name in _FIELDS:
                values[name] = _decoded(name, value)
        missing = [name for name in _FIELDS if name not in values]
        if missing:
            raise NoReproducerError(f"no reproducer: its header has no {', '.join(missing)}")
        return Reproducer("\n".join(line for line in lines if not line.startswith("//")), **values)

    def write(self, folder: Path, name: str) -> Path:
        """Writes `NAME_DIGEST.mlir`; the same failure has the same file."""
        text = self.text()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}_{hashlib.sha256(text.encode()).hexdigest()[:10]}.mlir"
        path.write_text(text)
        return path


def describe(error: BaseException) -> str:
    """The type, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def kind_of(description: str) -> str:
    """What two failures must share to be the same: all of `describe` but numbers, which another input or a smaller program
    changes, and lists of them."""
    return _NUMBER.sub("#", _LIST.sub("[]", description))


def _decoded(name: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise NoReproducerError(f"no reproducer: its {name} is no JSON: {value}") from error


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
