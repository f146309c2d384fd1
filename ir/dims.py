"""Symbolic dimensions: integer polynomials over named symbols, in a canonical form.

A `Dim` is a sum of monomials; a monomial is a product of atoms; an atom is a symbol (`B`, `S`) or an opaque
function of dims (`floordiv`, `mod`, `max`, `min`). Two dims that are equal as polynomials compare equal, hash
equal and print the same text. The text is Python syntax, so that the runtime can evaluate it without the IR.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

Atom: TypeAlias = "str | Call"
Monomial: TypeAlias = "tuple[Atom, ...]"
DimLike: TypeAlias = "int | str | Dim"

_FUNCTIONS: dict[str, Callable[[int, int], int]] = {
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "max": max,
    "min": min,
}


@dataclass(frozen=True)
class Call:
    """An opaque binary function of two dims."""

    function: str
    lhs: Dim
    rhs: Dim

    def __str__(self) -> str:
        if self.function == "floordiv":
            return f"({self.lhs}) // ({self.rhs})"
        if self.function == "mod":
            return f"({self.lhs}) % ({self.rhs})"
        return f"{self.function}({self.lhs}, {self.rhs})"


def _atom_text(atom: Atom) -> str:
    text = str(atom)
    return f"({text})" if isinstance(atom, Call) and atom.function in ("floordiv", "mod") else text


@dataclass(frozen=True)
class Dim:
    """A polynomial; `terms` is sorted and holds no zero coefficient."""

    terms: tuple[tuple[Monomial, int], ...] = ()

    @staticmethod
    def of(value: DimLike) -> Dim:
        """A dim from an int, a text such as `"B*S + 1"`, or a dim. Raises ValueError on other syntax."""
        if isinstance(value, Dim):
            return value
        if isinstance(value, int):
            return Dim((((), value),)) if value else Dim()
        return Dim(((((value,)), 1),)) if value.isidentifier() else _parse(value)

    @staticmethod
    def _from(terms: Mapping[Monomial, int]) -> Dim:
        kept = [(m, c) for m, c in terms.items() if c]
        return Dim(tuple(sorted(kept, key=lambda t: (-len(t[0]), [str(a) for a in t[0]]))))

    @property
    def is_const(self) -> bool:
        return not self.terms or (len(self.terms) == 1 and not self.terms[0][0])

    @property
    def value(self) -> int:
        """The value of a constant dim. Raises ValueError otherwise."""
        if not self.is_const:
            raise ValueError(f"dim `{self}` is not a constant")
        return self.terms[0][1] if self.terms else 0

    @property
    def symbols(self) -> frozenset[str]:
        found: set[str] = set()
        for monomial, _ in self.terms:
            for atom in monomial:
                found |= {atom} if isinstance(atom, str) else atom.lhs.symbols | atom.rhs.symbols
        return frozenset(found)

    def __add__(self, other: DimLike) -> Dim:
        terms = dict(self.terms)
        for monomial, c in Dim.of(other).terms:
            terms[monomial] = terms.get(monomial, 0) + c
        return Dim._from(terms)

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return Dim(tuple((m, -c) for m, c in self.terms))

    def __sub__(self, other: DimLike) -> Dim:
        return self + -Dim.of(other)

    def __rsub__(self, other: DimLike) -> Dim:
        return Dim.of(other) - self

    def __mul__(self, other: DimLike) -> Dim:
        terms: dict[Monomial, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in Dim.of(other).terms:
                monomial = tuple(sorted(m1 + m2, key=str))
                terms[monomial] = terms.get(monomial, 0) + c1 * c2
        return Dim._from(terms)

    __rmul__ = __mul__

    def exact_div(self, other: DimLike) -> Dim | None:
        """`self / other` where it is a polynomial, else None (`other` must be one monomial)."""
        divisor = Dim.of(other)
        if len(divisor.terms) != 1:
            return Dim.of(1) if self == divisor and divisor.terms else None
        d_monomial, d_coefficient = divisor.terms[0]
        terms: dict[Monomial, int] = {}
        for monomial, c in self.terms:
            rest = list(monomial)
            for atom in d_monomial:
                if atom not in rest:
                    return None
                rest.remove(atom)
            if c % d_coefficient:
                return None
            terms[tuple(rest)] = c // d_coefficient
        return Dim._from(terms)

    def __floordiv__(self, other: DimLike) -> Dim:
        divisor = Dim.of(other)
        exact = self.exact_div(divisor)
        return exact if exact is not None else _call("floordiv", self, divisor)

    def __mod__(self, other: DimLike) -> Dim:
        divisor = Dim.of(other)
        return Dim() if self.exact_div(divisor) is not None else _call("mod", self, divisor)

    def max(self, other: DimLike) -> Dim:
        return self if self == Dim.of(other) else _call("max", self, Dim.of(other))

    def min(self, other: DimLike) -> Dim:
        return self if self == Dim.of(other) else _call("min", self, Dim.of(other))

    def ceil_div(self, other: DimLike) -> Dim:
        divisor = Dim.of(other)
        return (self + divisor - 1) // divisor if self.exact_div(divisor) is None else self // divisor

    def evaluate(self, env: Mapping[str, int]) -> int:
        """The value under `env`. Raises KeyError for an unbound symbol, ZeroDivisionError for a zero divisor."""
        return self.interpret(env, _FUNCTIONS)

    def interpret(self, env: Mapping[str, Any], functions: Mapping[str, Callable[[Any, Any], Any]]) -> Any:
        """The dim in another algebra than that of the integers: its symbols, and its `functions` by our names."""
        total: Any = 0
        for monomial, coefficient in self.terms:
            value: Any = coefficient
            for atom in monomial:
                value *= (
                    env[atom]
                    if isinstance(atom, str)
                    else functions[atom.function](
                        atom.lhs.interpret(env, functions), atom.rhs.interpret(env, functions)
                    )
                )
            total += value
        return total

    def substitute(self, env: Mapping[str, DimLike]) -> Dim:
        """Every symbol in `env` replaced by its dim."""
        total = Dim()
        for monomial, c in self.terms:
            product = Dim.of(c)
            for atom in monomial:
                product = product * (
                    Dim.of(env.get(atom, atom))
                    if isinstance(atom, str)
                    else _apply(atom.function, atom.lhs.substitute(env), atom.rhs.substitute(env))
                )
            total = total + product
        return total

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        parts: list[str] = []
        for monomial, c in self.terms:
            factors = [_atom_text(a) for a in monomial]
            if not factors or abs(c) != 1:
                factors.insert(0, str(abs(c)))
            sign = "-" if c < 0 else "+"
            parts.append(f" {sign} " if parts else sign.strip("+"))
            parts.append("*".join(factors))
        return "".join(parts)

    def __repr__(self) -> str:
        return f"Dim({str(self)!r})"


def product(dims: list[Dim] | tuple[Dim, ...]) -> Dim:
    """The product of dims; 1 for none."""
    return reduce(lambda a, b: a * b, dims, Dim.of(1))


def _call(function: str, lhs: Dim, rhs: Dim) -> Dim:
    if lhs.is_const and rhs.is_const:
        return Dim.of(_FUNCTIONS[function](lhs.value, rhs.value))
    return Dim((((Call(function, lhs, rhs),), 1),))


def _apply(function: str, lhs: Dim, rhs: Dim) -> Dim:
    table: dict[str, Callable[[], Dim]] = {
        "floordiv": lambda: lhs // rhs,
        "mod": lambda: lhs % rhs,
        "max": lambda: lhs.max(rhs),
        "min": lambda: lhs.min(rhs),
    }
    return table[function]()


_OPERATORS: dict[type[ast.operator], Callable[[Dim, Dim], Dim]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
}


def _parse(text: str) -> Dim:
    def build(node: ast.expr) -> Dim:
        match node:
            case ast.Constant(value=int(value)):
                return Dim.of(value)
            case ast.Name(id=name):
                return Dim.of(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -build(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](build(left), build(right))
            case ast.Call(func=ast.Name(id=name), args=[left, right]) if name in _FUNCTIONS:
                return _apply(name, build(left), build(right))
            case _:
                raise ValueError(f"not a dimension: `{text}`")

    try:
        return build(ast.parse(text, mode="eval").body)
    except SyntaxError as error:
        raise ValueError(f"not a dimension: `{text}`") from error
