"""PyTorch's symbolic sizes (SymInts over sympy expressions) as named `Dim`s."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sympy
from torch.utils._sympy.functions import FloorDiv, Max, Min, PythonMod

from ..ir.dims import Dim, product
from ..ir.promises import Promise
from .errors import Unsupported

_FUNCTIONS = {"floordiv": FloorDiv, "mod": PythonMod, "max": Max, "min": Min}
ONE = Dim.of(1)
_RELATIONS: dict[Any, Callable[[Dim, Dim], Promise]] = {
    sympy.LessThan: lambda a, b: Promise.of(a, "<=", b),
    sympy.StrictLessThan: lambda a, b: Promise.of(a + 1, "<=", b),
    sympy.GreaterThan: lambda a, b: Promise.of(b, "<=", a),
    sympy.StrictGreaterThan: lambda a, b: Promise.of(b + 1, "<=", a),
    sympy.Equality: lambda a, b: Promise.of(a, "==", b),
}


class Symbols:
    """Names for the symbols of one graph, and the conversion of its sizes to dims.

    A symbol that was not named by `suggest` is called `s0`, `s1`, … in the order of its first use.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._dims: dict[Any, Dim] = {}
        self._symbols: dict[str, Any] = {}  # our name → PyTorch's symbol
        self._facts: Any = None  # the shape environment of the graph's sizes
        self._known: dict[tuple[Dim, Dim], bool] = {}
        self._admitted: set[str] = set()

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

    def admit(self, sizes: Iterable[Any]) -> None:
        """Sizes that depend on tensor data, but that a program is given: from here on they are symbols like any other."""
        for size in sizes:
            self._admitted |= {symbol.name for symbol in getattr(expression(size), "free_symbols", ())}

    def dim(self, size: Any) -> Dim:
        """The dim of an int or SymInt. Raises Unsupported for an expression that dims cannot say."""
        if isinstance(size, int):
            return Dim.of(size)
        self._facts = size.node.shape_env
        return self.convert(expression(size))

    def convert(self, expr: Any) -> Dim:
        """The dim of a sympy expression. Raises Unsupported."""
        if expr not in self._dims:
            self._dims[expr] = self._convert(expr)
        return self._dims[expr]

    def at_most(self, a: Dim, b: Dim) -> bool:
        """Whether `a <= b` in every call, by the ranges of the symbols and by what the graph's guards demand."""
        left = b - a
        if left.is_const:
            return left.value >= 0
        if (a, b) not in self._known:
            fact = sympy.Le(a.interpret(self._symbols, _FUNCTIONS), b.interpret(self._symbols, _FUNCTIONS))
            self._known[a, b] = self._facts is not None and self._facts._maybe_evaluate_static(fact) == sympy.true
        return self._known[a, b]

    def promises(self, relation: Any) -> list[Promise]:
        """What a relation of sizes (sympy) demands of a call.

        Not that a size is neither 0 nor 1, which PyTorch takes for granted and does not check either; nothing where a size
        is no argument's, or where dims cannot say it.
        """
        if isinstance(relation, sympy.And):
            return [promise for part in relation.args for promise in self.promises(part)]
        names = {symbol.name for symbol in relation.free_symbols}
        if type(relation) not in _RELATIONS or not names <= self._names.keys():
            return []
        try:
            promise = _RELATIONS[type(relation)](*map(self.convert, relation.args))
        except Unsupported:
            return []
        usual = promise.relation == "<=" and promise.lhs.is_const and promise.lhs.value <= 2
        usual |= promise.lhs in (promise.rhs.max(1), ONE.max(promise.rhs)) or promise.rhs in (
            promise.lhs.max(1),
            ONE.max(promise.lhs),
        )
        return [] if usual else [promise]

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
            if expr.name.startswith(("u", "zuf", "zf")) and expr.name not in self._admitted:
                raise Unsupported(f"the size `{expr}` depends on tensor data")
            name = self._name(expr.name)
            self._symbols[name] = expr
            return Dim.of(name)
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
