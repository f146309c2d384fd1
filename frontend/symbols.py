"""PyTorch's symbolic sizes (SymInts over sympy expressions) as named `Dim`s."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..ir.dims import Dim, product
from .errors import Unsupported


class Symbols:
    """Names for the symbols of one graph, and the conversion of its sizes to dims.

    A symbol that was not named by `suggest` is called `s0`, `s1`, … in the order of its first use.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._dims: dict[Any, Dim] = {}

    @property
    def names(self) -> dict[str, str]:
        """PyTorch's symbol → our name."""
        return dict(self._names)

    def seen(self, size: Any) -> dict[str, int]:
        """The name and the number of a size that is a bare symbol and has been used; nothing for any other size."""
        expr = expression(size)
        number = getattr(getattr(size, "node", None), "hint", None)
        name = self._names.get(expr.name, "") if getattr(expr, "is_Symbol", False) else ""
        return {name: int(number)} if name and number is not None else {}

    def suggest(self, size: Any, name: str) -> None:
        """Call the symbol `size` by `name`, unless it is no bare symbol, has a name, or the name is taken."""
        expr = expression(size)
        if getattr(expr, "is_Symbol", False) and expr.name not in self._names and name not in self._names.values():
            self._names[expr.name] = name

    def dim(self, size: Any) -> Dim:
        """The dim of an int or SymInt. Raises Unsupported for an expression that dims cannot say."""
        if isinstance(size, int):
            return Dim.of(size)
        expr = expression(size)
        if expr not in self._dims:
            self._dims[expr] = self._convert(expr)
        return self._dims[expr]

    def dims(self, sizes: Iterable[Any]) -> tuple[Dim, ...]:
        return tuple(self.dim(size) for size in sizes)

    def _name(self, symbol: str) -> str:
        if symbol not in self._names:
            taken = set(self._names.values())
            self._names[symbol] = next(n for i in range(len(taken) + 1) if (n := f"s{i}") not in taken)
        return self._names[symbol]

    def _convert(self, expr: Any) -> Dim:
        if expr.is_Integer:
            return Dim.of(int(expr))
        if expr.is_Symbol:
            if expr.name.startswith(("u", "zuf", "zf")):
                raise Unsupported(f"the size `{expr}` depends on tensor data")
            return Dim.of(self._name(expr.name))
        kind = type(expr).__name__
        if kind in ("FloorDiv", "CleanDiv", "Mod", "PythonMod", "CeilDiv"):
            lhs, rhs = (self._convert(a) for a in expr.args)
            return lhs % rhs if "Mod" in kind else lhs.ceil_div(rhs) if kind == "CeilDiv" else lhs // rhs
        numerator, denominator = expr.as_numer_denom()
        if denominator != 1:
            return self._convert(numerator) // self._convert(denominator)
        if expr.is_Add:
            return sum((self._convert(a) for a in expr.args), Dim())
        if expr.is_Mul:
            return product([self._convert(a) for a in expr.args])
        if expr.is_Pow and expr.args[1].is_Integer and expr.args[1] > 0:
            return product([self._convert(expr.args[0])] * int(expr.args[1]))
        if kind in ("Max", "Min"):
            first, *rest = (self._convert(a) for a in expr.args)
            for other in rest:
                first = first.max(other) if kind == "Max" else first.min(other)
            return first
        raise Unsupported(f"the size `{expr}` ({kind}) is no polynomial with floor division, mod, max and min")


def expression(size: Any) -> Any:
    """The sympy expression of a SymInt; None for a plain int."""
    node = getattr(size, "node", None)
    return None if node is None else node.expr
