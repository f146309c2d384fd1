"""The syntax tree. Nodes that are written alike compare equal, wherever they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias

from .errors import Span

NOWHERE = Span(1, 1, 1, 1)


@dataclass(frozen=True)
class Node:
    """A piece of syntax; `span` is where it stands."""

    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


# ---- expressions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number(Node):
    """A literal, as it is written: `3`, `1e-6`."""

    text: str

    @property
    def value(self) -> int | float:
        return int(self.text) if self.text.isdigit() else float(self.text)


@dataclass(frozen=True)
class Name(Node):
    """A value, a dim, an index, or `true`, `false`, `inf`."""

    name: str


@dataclass(frozen=True)
class Argument(Node):
    """One argument of a call; `name` where it is given by keyword."""

    name: str
    value: Expr


@dataclass(frozen=True)
class Call(Node):
    """`name(arguments)`: an operator, a pointwise function or an epilogue. `at` is where the name stands."""

    name: str
    arguments: tuple[Argument, ...]
    at: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Index(Node):
    """`name[i, j]`: elements of a tensor, by index names."""

    name: str
    indices: tuple[Name, ...]


@dataclass(frozen=True)
class ListOf(Node):
    """`[a, b]`, an argument of reshape and the like."""

    items: tuple[Expr, ...]


@dataclass(frozen=True)
class Unary(Node):
    """`-x` or `!x`."""

    operator: str
    operand: Expr


@dataclass(frozen=True)
class Binary(Node):
    """`lhs operator rhs`."""

    operator: str
    lhs: Expr
    rhs: Expr


@dataclass(frozen=True)
class Cast(Node):
    """`value as dtype`."""

    value: Expr
    dtype: Name


Expr: TypeAlias = Number | Name | Call | Index | ListOf | Unary | Binary | Cast

# ---- statements ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DimSpec(Node):
    """One dim of a type: an expression; `size` is the number in `D=1024`."""

    dim: Expr
    size: int | None = None


@dataclass(frozen=True)
class Type(Node):
    """`bf16[B, S, D=1024]`."""

    dtype: Name
    dims: tuple[DimSpec, ...]


@dataclass(frozen=True)
class Let(Node):
    """`name: type = value`."""

    name: Name
    type: Type | None
    value: Expr
    last_line: int = field(default=1, compare=False)


Reducer: TypeAlias = Literal["sum", "max", "min", "mean"]


@dataclass(frozen=True)
class Einsum(Node):
    """`name[i, j]: dtype = value`: over indices that stand on the right only, `reducer` is taken.

    `running`: what reads it may take the value so far, and be corrected when it changes.
    """

    name: Name
    indices: tuple[Name, ...]
    dtype: Name | None
    reducer: Reducer
    running: bool
    value: Expr
    last_line: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Return(Node):
    """`return a, b`."""

    values: tuple[Expr, ...]
    last_line: int = field(default=1, compare=False)


Statement: TypeAlias = Let | Einsum | Return

# ---- definitions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Param(Node):
    """`name: role type`; `role` is `input` where none is written."""

    name: Name
    role: Literal["input", "weight", "cache"]
    type: Type


@dataclass(frozen=True)
class Epilogue(Node):
    """`epilogue name(parameters) = value`."""

    name: Name
    parameters: tuple[Name, ...]
    value: Expr
    last_line: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Block(Node):
    """`block name(params) -> results { statements }`."""

    name: Name
    params: tuple[Param, ...]
    results: tuple[Type, ...]
    statements: tuple[Statement, ...]
    last_line: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Comment(Node):
    """A comment from `#` to the end of its line."""

    text: str


@dataclass(frozen=True)
class Program(Node):
    """A file: definitions in order, and its comments."""

    definitions: tuple[Epilogue | Block, ...]
    comments: tuple[Comment, ...] = field(default=(), compare=False)

    @property
    def epilogues(self) -> tuple[Epilogue, ...]:
        return tuple(d for d in self.definitions if isinstance(d, Epilogue))

    @property
    def blocks(self) -> tuple[Block, ...]:
        return tuple(d for d in self.definitions if isinstance(d, Block))


def children(node: Node) -> Iterator[Node]:
    """The nodes right inside a node, in the order they are written."""
    for part in fields(node):
        value = getattr(node, part.name)
        yield from (v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, Node))


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)
