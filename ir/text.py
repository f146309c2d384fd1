"""The IR as text: a context with every dialect, parse, print, structural hash."""

from __future__ import annotations

import hashlib
import io

from xdsl.context import Context
from xdsl.dialects.arith import Arith
from xdsl.dialects.builtin import Builtin, ModuleOp
from xdsl.dialects.func import Func
from xdsl.dialects.scf import Scf
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.printer import Printer

from .flow import Flow
from .fused import Fused
from .tile import Tile

DIALECTS = (Builtin, Func, Arith, Scf, Flow, Fused, Tile)


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
    out = io.StringIO()
    Printer(stream=out, print_debuginfo=locations).print_op(op)
    return out.getvalue()


def structural_hash(op: Operation) -> str:
    """A digest that is equal for structurally equal ops whatever their value names and locations."""
    clone = op.clone()
    for inner in clone.walk():
        for value in (*inner.results, *(a for r in inner.regions for b in r.blocks for a in b.args)):
            value.name_hint = None
    return hashlib.sha256(to_text(clone).encode()).hexdigest()
