"""Dim expressions: all of a program's, compiled into one Python function of its symbols.

Allowed: integers, symbol names, `+ - * // %`, unary minus, parentheses, `max(…)` and `min(…)`. Nothing else is ever
compiled, so that a description from a file cannot run code.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from .errors import DescriptionError

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod)
_NAMES = re.compile(r"[A-Za-z_]\w*")
_RUNS_OF_DIGITS = re.compile(r"\d+")
_FUNCTIONS: dict[str, Callable[..., int]] = {"max": max, "min": min}
_MAX_LENGTH = 10_000
_MAX_DEPTH = 150  # of nested operations: what Python's own compiler takes without ever running out of stack
_MAX_DIGITS = 20


class Expressions:
    """The distinct expressions among `texts`, numbered. Raises DescriptionError on text outside the grammar."""

    def __init__(self, symbols: Sequence[str], texts: Iterable[str]) -> None:
        for name in symbols:
            if not name.isidentifier() or keyword.iskeyword(name) or name in _FUNCTIONS:
                raise _refusal(name, "a symbol's name must be an identifier, no keyword, and not max or min")
        known = frozenset(symbols)
        self.symbols = tuple(symbols)
        self._positions: dict[str, int] = {}
        numbers: dict[str, int] = {}
        bodies: list[ast.expr] = []
        for text in dict.fromkeys(texts):
            body = _parse(text, known)
            normal = ast.dump(body)
            if normal not in numbers:
                numbers[normal] = len(bodies)
                bodies.append(body)
            self._positions[text] = numbers[normal]
        self._function = _compile(self.symbols, bodies)
        self.count = len(bodies)

    def position(self, text: str) -> int:
        """Where the value of `text` stands in what `evaluate` returns."""
        return self._positions[text]

    def positions(self, texts: Iterable[str]) -> list[int]:
        """`position` of each."""
        return [self._positions[text] for text in texts]

    def evaluate(self, values: Sequence[int]) -> tuple[int, ...]:
        """Every distinct expression's value, for one value per symbol. A division by zero is a DescriptionError."""
        try:
            return self._function(*values)
        except ZeroDivisionError as error:
            where = ", ".join(f"{name}={value}" for name, value in zip(self.symbols, values, strict=True))
            raise DescriptionError(
                "A size divides by zero", where=where, why=str(error), next="report this: a compiler's mistake"
            ) from error


def plain(text: str) -> str:
    """A relation of dim expressions without needless parentheses, for messages."""
    return ast.unparse(ast.parse(text, mode="eval"))


def substituted(text: str, values: Mapping[str, str]) -> str:
    """`text` with expressions in place of all its symbols. Raises DescriptionError on text outside the grammar."""
    bodies = {name: _parse(value, frozenset(_names(value))) for name, value in values.items()}

    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return bodies.get(node.id, node)

    return ast.unparse(Put().visit(_parse(text, frozenset(values))))


def _names(text: str) -> set[str]:
    return {name for name in _NAMES.findall(text) if name not in _FUNCTIONS}


def _refusal(text: str, why: str) -> DescriptionError:
    return DescriptionError(
        "A dim expression is not allowed", where=repr(text[:200]), why=why, next="report this: a compiler's mistake"
    )


def _parse(text: str, symbols: frozenset[str]) -> ast.expr:
    if len(text) > _MAX_LENGTH:
        raise _refusal(text, f"longer than {_MAX_LENGTH} characters")
    if max(map(len, _RUNS_OF_DIGITS.findall(text)), default=0) > _MAX_DIGITS:
        raise _refusal(text, f"a number of more than {_MAX_DIGITS} digits")
    try:
        body = ast.parse(text.strip(), mode="eval").body
        _check(body, symbols, text, _MAX_DEPTH)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refusal(text, str(error)) from error
    return body


def _check(node: ast.expr, symbols: frozenset[str], text: str, depth: int) -> None:
    if depth == 0:
        raise _refusal(text, f"more than {_MAX_DEPTH} operations inside each other")
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return
        case ast.Name(id=name) if name in symbols:
            return
        case ast.Name(id=name):
            raise _refusal(text, f"`{name}` is no symbol of this program")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            _check(operand, symbols, text, depth - 1)
        case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, _OPERATORS):
            _check(left, symbols, text, depth - 1)
            _check(right, symbols, text, depth - 1)
        case ast.Call(func=ast.Name(id=name), args=[_, _, *_] as args, keywords=[]) if name in _FUNCTIONS:
            for arg in args:
                _check(arg, symbols, text, depth - 1)
        case _:
            raise _refusal(text, f"`{ast.unparse(node)[:200]}` is outside the grammar of dim expressions")


def _compile(symbols: Sequence[str], bodies: list[ast.expr]) -> Callable[..., tuple[int, ...]]:
    parameters = ast.arguments(
        posonlyargs=[], args=[ast.arg(name) for name in symbols], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    tree = ast.Expression(ast.Lambda(parameters, ast.Tuple(elts=list(bodies), ctx=ast.Load())))
    code = compile(ast.fix_missing_locations(tree), "<dim expressions>", "eval")
    return eval(code, {"__builtins__": {}, **_FUNCTIONS})
