"""What the ops share: the kinds of roles and completions, and the base class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.irdl import IRDLOperation, ParsePropInAttrDict
from xdsl.utils.exceptions import VerifyException

FORMAT = "operands attr-dict `:` functional-type(operands, results)"
EFFECT = "operands attr-dict `:` type(operands)"
"""Of ops without results."""

ROLES = ("producer", "consumer", "epilogue")


class ArefOp(IRDLOperation):
    """Base of the ops of this level."""

    assembly_format: ClassVar[str | None] = FORMAT
    irdl_options = (ParsePropInAttrDict(),)


def kinds(names: Sequence[str]) -> ArrayAttr[StringAttr]:
    return ArrayAttr([StringAttr(name) for name in names])


def verify_completion(op: str, given: ArrayAttr[StringAttr], allowed: Sequence[str]) -> None:
    """Kinds that may stand at this op, each once, one at least.

    Who ends the accesses of a slot: `none`: the role itself, before it goes on; else the asynchronous unit of that name: `tma`,
    `cp_async`, `wgmma`.
    """
    names = [kind.data for kind in given]
    if not names or len(set(names)) != len(names) or not set(names) <= set(allowed):
        raise VerifyException(f"{op}: completion {names}; give one or several of {', '.join(allowed)}, each once")
