"""Text → syntax tree. Every text gives a tree or a WeaveError."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, v_args
from lark.lark import PostLex
from lark.tree import Meta

from . import tree
from .errors import Source, Span, WeaveError

DEPTH = 50
"""How many brackets may be open at once."""

_WORDS = {
    "NL": "a new line", "NAME": "a name", "NUMBER": "a number", "INT": "a number", "LPAR": "`(`", "RPAR": "`)`",
    "LSQB": "`[`", "RSQB": "`]`", "LBRACE": "`{`", "RBRACE": "`}`", "COMMA": "`,`", "COLON": "`:`", "EQUAL": "`=`",
    "RETURN": "`return`", "EPILOGUE": "`epilogue`", "BLOCK": "`block`", "$END": "the end of the file",
    "__ANON_0": "`->`", "AS": "`as`", "ROLE": "`weight`", "NOT": "`!`", "REDUCTION": "`max=`", "RUNNING": "`running`",
}  # fmt: skip
_OPERATORS = {"OR", "AND", "COMPARE", "PLUS", "MINUS", "TERM", "POWER", "AS"}
_BEGIN_VALUE = {"NAME", "NUMBER", "INT", "LPAR", "LSQB", "NOT"}


def parse(text: str, name: str = "<text>") -> tree.Program:
    """The tree of a file's text; `name` is what errors call the file. Raises WeaveError."""
    source = Source(name, text)
    try:
        definitions = _Build().transform(_parser().parse(text + "\n"))
    except UnexpectedCharacters as error:
        at = Span(error.line, error.column, error.line, error.column + 1)
        raise WeaveError(f"unexpected character `{error.char}`", at, source, _CHARACTERS.get(error.char, "")) from None
    except (UnexpectedToken, UnexpectedEOF) as error:
        raise _unexpected(error, source) from None
    except _TooDeep as error:
        raise WeaveError("brackets are nested too deep", error.span, source, "name parts of the expression") from None
    except RecursionError:
        raise WeaveError(
            "an expression is too long", Span(1, 1, 1, 1), source, "name parts of the expression"
        ) from None
    return tree.Program(tuple(definitions), tuple(_comments(text)))


def _comments(text: str) -> Iterator[tree.Comment]:
    """The language has no strings: every `#` begins a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        before, sharp, comment = line.partition("#")
        if sharp:
            column = len(before) + 1
            yield tree.Comment((sharp + comment).rstrip(), span=Span(number, column, number, len(line) + 1))


_CHARACTERS = {
    "&": "`and` is written `&&`",
    "|": "`or` is written `||`",
    ";": "a new line ends a statement",
    "@": "a matrix product is `matmul(a, b)`, or an einsum such as `C[m, n] = A[m, k] * B[k, n]`",
    "^": "a power is written `x ** 2`",
    '"': "there are no strings in the language",
    "'": "there are no strings in the language",
}


class _TooDeep(Exception):  # noqa: N818 - becomes a WeaveError
    def __init__(self, span: Span):
        self.span = span


class _Newlines(PostLex):
    """Keeps of the newlines those that end something: one after another token, none inside ( ) and [ ]."""

    always_accept = ("NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth, ended = 0, True
        for token in stream:
            depth += {"LPAR": 1, "LSQB": 1, "RPAR": -1, "RSQB": -1}.get(token.type, 0)
            if depth > DEPTH:
                raise _TooDeep(_span(token))
            if token.type == "NL" and (depth > 0 or ended):
                continue
            ended = token.type == "NL"
            yield token


@lru_cache(1)
def _parser() -> Lark:
    grammar = (Path(__file__).parent / "grammar.lark").read_text()
    return Lark(grammar, parser="lalr", postlex=_Newlines(), propagate_positions=True, maybe_placeholders=True)


def _span(token: Token | Meta) -> Span:
    place = cast(Any, token)
    return Span(place.line, place.column, place.end_line, place.end_column)


# ---- syntax errors ---------------------------------------------------------------------------------------------


def _unexpected(error: UnexpectedToken | UnexpectedEOF, source: Source) -> WeaveError:
    token = cast(Token, error.token)
    expected = set(error.accepts or error.expected or ()) if isinstance(error, UnexpectedToken) else set[str]()
    span, found = _found(token, source)
    hint = next((text for fits, text in _hints(token, expected) if fits), "")
    return WeaveError(f"expected {_list(expected)}, found {found}", span, source, hint)


def _found(token: Token, source: Source) -> tuple[Span, str]:
    """Where and what the offending token is."""
    lines = source.text.splitlines() or [""]
    if token.type == "$END":
        last = len(lines)
        return Span(last, len(lines[-1]) + 1, last, len(lines[-1]) + 2), "the end of the file"
    span = _span(token)
    if token.type == "NL":
        ends_file = span.line >= len(lines)
        at = Span(span.line, span.column, span.line, span.column + 1)
        return at, "the end of the file" if ends_file else "the end of the line"
    return span, f"`{token}`"


def _list(expected: set[str]) -> str:
    """What may stand there, in words: `a value` for all that begins one, `an operator` for all that continues one."""
    words: list[str] = []
    if expected >= _BEGIN_VALUE:
        words.append("a value")
        expected = expected - _BEGIN_VALUE - {"MINUS"}
    if len(expected & _OPERATORS) > 1:
        words.append("an operator")
        expected = expected - _OPERATORS
    words += sorted({_WORDS.get(name, name) for name in expected})
    return " or ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + " or " + words[-1]


def _hints(token: Token, expected: set[str]) -> Iterator[tuple[bool, str]]:
    begins = expected >= _BEGIN_VALUE
    yield token in ("and", "or", "not") and not begins, "logic is written `&&`, `||` and `!`"
    yield token.type == "NL" and begins, "put an expression that goes on in the next line in parentheses"
    yield token.type == "NL" and bool(expected & _OPERATORS), "a bracket is still open"
    yield token.type in ("RBRACE", "RETURN", "EQUAL") and bool({"RPAR", "RSQB"} & expected), "a bracket is still open"
    yield token.type == "COMPARE" and token == "==" and "EQUAL" in expected, "a statement is written `name = value`"
    yield token.type == "COMPARE" and "NL" in expected, "comparisons are joined with `&&`: `a < b && b < c`"
    yield token.type == "$END" and "RBRACE" in expected, "a block ends with `}`"
    yield "__ANON_0" in expected, "a block says what it returns: `-> bf16[B, S]`"
    yield "BLOCK" in expected, "a file holds `epilogue` definitions and one `block`"
    yield "ROLE" in expected, "a parameter is written `name: dtype[dims]` or `name: weight dtype[dims]`"
    yield expected == {"COLON"}, "a parameter is written `name: dtype[dims]`"


# ---- tree ------------------------------------------------------------------------------------------------------


@v_args(meta=True)
class _Build(Transformer[Token, Any]):
    """Grammar rules → nodes."""

    def start(self, meta: Meta, parts: list[Any]) -> list[Any]:
        return parts

    def epilogue(self, meta: Meta, parts: list[Any]) -> tree.Epilogue:
        name, parameters, value, end = parts
        return tree.Epilogue(_name(name), parameters, value, end.line, span=_span(meta))

    def block(self, meta: Meta, parts: list[Any]) -> tree.Block:
        def those(kind: Any) -> tuple[Any, ...]:
            return tuple(p for p in parts if isinstance(p, kind))

        results = next(p for p in parts if isinstance(p, tuple))
        statements = those(tree.Let | tree.Einsum | tree.Return)
        return tree.Block(_name(parts[0]), those(tree.Param), results, statements, parts[-1].line, span=_span(meta))

    def param(self, meta: Meta, parts: list[Any]) -> tree.Param:
        name, role, type_ = parts
        return tree.Param(_name(name), cast(Any, str(role or "input")), type_, span=_span(meta))

    def results(self, meta: Meta, parts: list[Any]) -> tuple[tree.Type, ...]:
        return tuple(parts)

    def type(self, meta: Meta, parts: list[Any]) -> tree.Type:
        return tree.Type(_name(parts[0]), tuple(p for p in parts[1:] if p is not None), span=_span(meta))

    def sized(self, meta: Meta, parts: list[Any]) -> tree.DimSpec:
        return tree.DimSpec(_name(parts[0]), int(parts[1]), span=_span(meta))

    def plain(self, meta: Meta, parts: list[Any]) -> tree.DimSpec:
        return tree.DimSpec(parts[0], span=_span(meta))

    def let(self, meta: Meta, parts: list[Any]) -> tree.Let:
        name, type_, value, end = parts
        return tree.Let(_name(name), type_, value, end.line, span=_name(name).span.to(value.span))

    def einsum(self, meta: Meta, parts: list[Any]) -> tree.Einsum:
        name, indices, dtype, (reducer, running), value, end = parts
        span = _name(name).span.to(value.span)
        named = dtype and _name(dtype)
        return tree.Einsum(_name(name), indices, named, reducer, running, value, end.line, span=span)

    def sum(self, meta: Meta, parts: list[Any]) -> tuple[str, bool]:
        return "sum", False

    def reduction(self, meta: Meta, parts: list[Any]) -> tuple[str, bool]:
        return str(parts[-1])[:-1], len(parts) == 2 and parts[0] is not None

    def returned(self, meta: Meta, parts: list[Any]) -> tree.Return:
        values, end = tuple(parts[:-1]), parts[-1]
        return tree.Return(values, end.line, span=Span(meta.line, meta.column, end.line, end.column))

    def names(self, meta: Meta, parts: list[Any]) -> tuple[tree.Name, ...]:
        return tuple(_name(p) for p in parts if p is not None)

    def number(self, meta: Meta, parts: list[Any]) -> tree.Number:
        return tree.Number(str(parts[0]), span=_span(meta))

    def name(self, meta: Meta, parts: list[Any]) -> tree.Name:
        return _name(parts[0])

    def call(self, meta: Meta, parts: list[Any]) -> tree.Call:
        arguments = tuple(p for p in parts[1:] if p is not None)
        return tree.Call(str(parts[0]), arguments, _span(parts[0]), span=_span(meta))

    def argument(self, meta: Meta, parts: list[Any]) -> tree.Argument:
        return tree.Argument(str(parts[0] or ""), parts[1], span=_span(meta))

    def index(self, meta: Meta, parts: list[Any]) -> tree.Index:
        return tree.Index(str(parts[0]), parts[1], span=_span(meta))

    def list(self, meta: Meta, parts: list[Any]) -> tree.ListOf:
        return tree.ListOf(tuple(p for p in parts if p is not None), span=_span(meta))

    def unary(self, meta: Meta, parts: list[Any]) -> tree.Unary:
        return tree.Unary(str(parts[0]), parts[1], span=_span(meta))

    def binary(self, meta: Meta, parts: list[Any]) -> tree.Binary:
        return tree.Binary(str(parts[1]), parts[0], parts[2], span=_span(meta))

    def cast(self, meta: Meta, parts: list[Any]) -> tree.Cast:
        return tree.Cast(parts[0], _name(parts[1]), span=_span(meta))


def _name(token: Token) -> tree.Name:
    return tree.Name(str(token), span=_span(token))
