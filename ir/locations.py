"""Source locations: the module path (`model.layers.3.mlp.down_proj`) and the model's source line of an op.

They live in the op's location: a `NameLoc` (module path) around a `FileLineColLoc` (source line), or a `FusedLoc`
of several where a rewrite merged ops.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from xdsl.dialects.builtin import (
    ArrayAttr,
    FileLineColLoc,
    FusedLoc,
    IntAttr,
    LocationAttr,
    NameLoc,
    NoneAttr,
    StringAttr,
    UnknownLoc,
)
from xdsl.ir import Operation


def location(module: str, file: str = "", line: int = 0) -> LocationAttr:
    """A location from a module path and, where known, a source line."""
    inner = FileLineColLoc(StringAttr(_ascii(file)), IntAttr(line), IntAttr(0)) if file else NoneAttr()
    return NameLoc(StringAttr(_ascii(module)), inner)


def fuse(locations: Iterable[LocationAttr]) -> LocationAttr:
    """One location for an op that replaces several; duplicates and unknowns dropped, order kept."""
    flat: list[LocationAttr] = []
    for loc in locations:
        for part in parts(loc):
            if part not in flat:
                flat.append(part)
    if not flat:
        return UnknownLoc()
    return flat[0] if len(flat) == 1 else FusedLoc(ArrayAttr(flat), NoneAttr())


def fuse_ops(ops: Iterable[Operation]) -> LocationAttr:
    return fuse(op.location for op in ops)


def parts(loc: LocationAttr) -> Sequence[LocationAttr]:
    """The known plain locations inside a location."""
    if isinstance(loc, UnknownLoc):
        return []
    if isinstance(loc, FusedLoc) and isinstance(loc.locations, ArrayAttr):
        return [p for inner in loc.locations for p in parts(inner)]  # pyright: ignore
    return [loc]


def modules(op: Operation) -> list[str]:
    """The module paths an op came from, in order, without repeats."""
    names = [p.desc.data for p in parts(op.location) if isinstance(p, NameLoc)]
    return list(dict.fromkeys(n for n in names if n))


def source_line(op: Operation) -> str:
    """`file:line` of the first known source line, or an empty text."""
    for part in parts(op.location):
        inner = part.location if isinstance(part, NameLoc) else part
        if isinstance(inner, FileLineColLoc):
            return f"{inner.filename.data}:{inner.line.data}"
    return ""


_LAYER = re.compile(r"^(.*?\.)?(layers|layer|h|blocks|block|encoder_layers|decoder_layers)\.(\d+)(\.|$)")


def layer_of(module: str) -> tuple[str, int] | None:
    """(stack path, index) of the repeated layer a module path lies in: `model.layers.3.mlp` → (`model.layers`, 3)."""
    found = _LAYER.match(module)
    return ((found[1] or "") + found[2], int(found[3])) if found else None


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
