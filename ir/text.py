"""The IR as text: a context with every dialect, parse, print, structural hash."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator

from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.scf import Scf
from xdsl.ir import Operation, SSAValue
from xdsl.parser import Parser
from xdsl.printer import Printer

from .aref import Aref
from .flow import Flow
from .fused import Fused
from .tile import Tile

DIALECTS = (Builtin, Func, Arith, Scf, Flow, Fused, Tile, Aref)
_NUMBERS = re.compile(r"(_\d+)+$")


def context() -> Context:
    """A context that knows every dialect of the project."""
    ctx = Context()
    for dialect in DIALECTS:
        ctx.load_dialect(dialect)
    return ctx


def parse(text: str, name: str = "<text>") -> ModuleOp:
    """The module in `text`. Raises xdsl's ParseError with line and caret."""
    return Parser(context(), text, name).parse_module()


def to_text(op: Operation, *, locations: bool = False) -> str:
    """The op as text; parsing it again gives a structurally equal op (locations only where asked for)."""
    _settle_names(op)
    out = io.StringIO()
    Printer(stream=out, print_debuginfo=locations).print_op(op)
    return out.getvalue()


def structural_hash(op: Operation) -> str:
    """A digest that is equal for structurally equal ops whatever their value names and locations."""
    clone = op.clone()
    for value in _values(clone):
        value.name_hint = None
    return hashlib.sha256(to_text(clone).encode()).hexdigest()


def _values(op: Operation) -> Iterator[SSAValue]:
    for inner in op.walk():
        yield from inner.results
        for region in inner.regions:
            for block in region.blocks:
                yield from block.args


def _settle_names(op: Operation) -> None:
    """Drops number suffixes from name hints: xDSL appends `_1` to a repeated hint without looking for a hint `x_1`."""
    for value in _values(op):
        if value.name_hint is not None and _NUMBERS.search(value.name_hint):
            value.name_hint = _NUMBERS.sub("", value.name_hint) or None
