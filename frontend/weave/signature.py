"""What an operator of the language is: a function whose parameters are the operator's, whose docstring says what it is.

The annotation of a parameter names how its argument is read (`Tensor`, `Number`, `Sizes`, ...). `docs/weave.md` holds a
table that is made from them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from xdsl.ir import SSAValue

from ...ir.dims import Dim
from ...ir.types import dtype_of, shape_of
from ..build import is_float
from . import tree
from .errors import Fault

if TYPE_CHECKING:
    from .expressions import Expressions

Tensor: TypeAlias = SSAValue
Tensors: TypeAlias = "list[SSAValue]"
Number: TypeAlias = float
Axis: TypeAlias = int
Flag: TypeAlias = bool
Size: TypeAlias = Dim
Sizes: TypeAlias = "list[Dim]"
Axes: TypeAlias = "list[int]"
Expression: TypeAlias = tree.Expr


# ---- how arguments are read ------------------------------------------------------------------------------------


def _tensor(lower: Expressions, node: tree.Expr) -> SSAValue:
    return lower.tensor_of(lower.expr(node), node.span)


def _tensors(lower: Expressions, node: tree.Expr) -> list[SSAValue]:
    return [_tensor(lower, item) for item in _items(lower, node)]


def _number(lower: Expressions, node: tree.Expr) -> float:
    value = lower.expr(node)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise lower.error("expected a number that is known when compiling", node.span, "such as `1e-6` or `64 ** -0.5`")
    return float(value)


def _whole(lower: Expressions, node: tree.Expr) -> int:
    value = lower.expr(node)
    if isinstance(value, bool) or not isinstance(value, int):
        raise lower.error("expected a whole number", node.span, "such as `-1`")
    return value


def _flag(lower: Expressions, node: tree.Expr) -> bool:
    value = lower.expr(node)
    if not isinstance(value, bool):
        raise lower.error("expected `true` or `false`", node.span)
    return value


def _size(lower: Expressions, node: tree.Expr) -> Dim:
    return lower.dim_of(node)


def _sizes(lower: Expressions, node: tree.Expr) -> list[Dim]:
    return [lower.dim_of(item) for item in _items(lower, node)]


def _axes(lower: Expressions, node: tree.Expr) -> list[int]:
    return [_whole(lower, item) for item in _items(lower, node)]


def _expression(lower: Expressions, node: tree.Expr) -> tree.Expr:
    return node


def _items(lower: Expressions, node: tree.Expr) -> tuple[tree.Expr, ...]:
    if not isinstance(node, tree.ListOf):
        raise lower.error("expected a list", node.span, "such as `[a, b]`")
    return node.items


_READ: dict[str, Callable[[Any, tree.Expr], Any]] = {
    "Tensor": _tensor, "Tensors": _tensors, "Number": _number, "Axis": _whole, "Flag": _flag, "Size": _size,
    "Sizes": _sizes, "Axes": _axes, "Expression": _expression,
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """How one argument is read; `default` is its text, empty where it must be given or may be left out."""

    kind: str
    required: bool
    default: str

    def read(self, lower: Expressions, node: tree.Expr) -> Any:
        return _READ[self.kind](lower, node)


@dataclass(frozen=True)
class Operator:
    """One operator: its parameters, in order, what it computes, and the rule that says it in flow."""

    name: str
    parameters: Mapping[str, Parameter]
    summary: str
    rule: Callable[..., SSAValue]

    @property
    def signature(self) -> str:
        """For example `rms_norm(x, weight?, eps=1e-6)`; `?` marks what may be left out."""
        texts = [
            name if p.required else f"{name}={p.default}" if p.default else f"{name}?"
            for name, p in self.parameters.items()
        ]
        return f"{self.name}({', '.join(texts)})"


_RULES: dict[Callable[..., SSAValue], Operator] = {}


def operator(rule: Callable[..., SSAValue]) -> Callable[..., SSAValue]:
    """Makes a function an operator of the language; `_` at the end of its name is left out."""
    name = rule.__name__.rstrip("_")
    _, *given = inspect.signature(rule).parameters.values()
    parameters = {
        p.name: Parameter(str(p.annotation).removesuffix(" | None"), p.default is p.empty, _text(p.default))
        for p in given
    }
    _RULES[rule] = Operator(name, parameters, " ".join((rule.__doc__ or "").split()), rule)
    return rule


def table(*modules: ModuleType) -> dict[str, Operator]:
    """The operators of some modules, by name, in the order in which they are written."""
    found = [_RULES[value] for module in modules for value in vars(module).values() if _is_rule(value)]
    return {operator.name: operator for operator in found}


def _is_rule(value: object) -> bool:
    return inspect.isfunction(value) and value in _RULES


def _text(default: Any) -> str:
    if default is inspect.Parameter.empty or default is None:
        return ""
    return str(default).lower()


def need(condition: bool, what: str, hint: str = "", argument: str = "") -> None:
    """Raises Fault, which points at the argument, unless the condition holds."""
    if not condition:
        raise Fault(what, hint, argument)


def text(value: SSAValue) -> str:
    """A tensor's type as a program says it."""
    return f"{dtype_of(value)}[{', '.join(map(str, shape_of(value)))}]"


def same_dtype(*values: tuple[str, SSAValue | None]) -> None:
    """Raises Fault unless the named values are floating-point tensors of one dtype."""
    (first, one), *rest = values
    assert one is not None
    need(is_float(one), f"`{first}` is {text(one)}", "it takes floating-point numbers: `x as f32`", first)
    for name, value in rest:
        if value is not None:
            what = f"`{name}` is {text(value)}, and `{first}` is {text(one)}"
            need(dtype_of(value) == dtype_of(one), what, f"convert it: `{name} as {dtype_of(one)}`", name)
