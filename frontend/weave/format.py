"""Syntax tree → text, in the one way a program is laid out. Comments stay; parsing the text gives the same tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from . import tree
from .parse import parse

WIDTH = 100
INDENT = "  "
_BINARY = {
    "||": 1, "&&": 2, "<": 3, "<=": 3, ">": 3, ">=": 3, "==": 3, "!=": 3, "+": 4, "-": 4, "*": 5, "/": 5, "//": 5,
    "%": 5, "**": 8,
}  # fmt: skip
_UNARY, _CAST, _ATOM = 6, 7, 9
_REDUCERS = {"sum": "=", "max": "max=", "min": "min=", "mean": "mean="}


def format_text(text: str, name: str = "<text>") -> str:
    """A program's text, laid out; a second time changes nothing. Raises WeaveError."""
    return to_text(parse(text, name))


def to_text(program: tree.Program) -> str:
    """The text of a tree, with its comments."""
    lines = _Lines(list(program.comments))
    for definition in program.definitions:
        lines.comments_before(definition.span.line, "")
        if not lines.after_comment and not (isinstance(definition, tree.Epilogue) and lines.is_epilogue):
            lines.blank()
        lines.is_epilogue = isinstance(definition, tree.Epilogue)
        if isinstance(definition, tree.Epilogue):
            parameters = ", ".join(p.name for p in definition.parameters)
            head = f"epilogue {definition.name.name}({parameters}) = "
            lines.statement(head + _laid_out(definition.value, "", len(head)), definition, "")
        else:
            _block(lines, definition)
    lines.comments_before(None, "")
    return "".join(line + "\n" for line in lines.done)


@dataclass
class _Lines:
    """Lines so far, and the comments that are still to come."""

    comments: list[tree.Comment]
    done: list[str] = field(default_factory=list[str])
    last: int = 0
    """The line of the source that the last line here comes from."""
    after_comment: bool = False
    """Whether the last line is a comment that the source has right above what comes next."""
    is_epilogue: bool = False
    """Whether the last definition is an epilogue: epilogues may stand together."""

    def blank(self) -> None:
        if self.done and self.done[-1]:
            self.done.append("")

    def gap(self, line: int) -> None:
        """One empty line where the source has some."""
        if line > self.last + 1 and self.done and not self.done[-1].endswith("{"):
            self.blank()

    def comments_before(self, line: int | None, indent: str) -> None:
        """The comments above a line of the source, each on its own line."""
        self.after_comment = False
        while self.comments and (line is None or self.comments[0].span.line < line):
            comment = self.comments.pop(0)
            self.gap(comment.span.line)
            self.done.append(indent + comment.text)
            self.last = comment.span.line
            self.after_comment = line is not None and self.last == line - 1

    def trailing(self, line: int) -> str:
        """The comment at the end of a line of the source."""
        if self.comments and self.comments[0].span.line == line:
            return "  " + self.comments.pop(0).text
        return ""

    def statement(self, text: str, node: tree.Statement | tree.Epilogue, indent: str) -> None:
        """A statement with the comments inside it above, and the one behind it at its end."""
        first, last = node.span.line, node.last_line
        self.comments_before(first, indent)
        inner = self.comments and self.comments[0].span.line < last
        self.gap(first)
        if inner:
            self.comments_before(last, indent)
        self.done += (indent + text + self.trailing(last)).split("\n")
        self.last = last


def _block(lines: _Lines, block: tree.Block) -> None:
    results = ", ".join(_type(r) for r in block.results)
    results = results if len(block.results) == 1 else f"({results})"
    params = [_param(p) for p in block.params]
    head = f"block {block.name.name}({', '.join(params)}) -> {results} {{"
    end = block.results[-1].span.end_line if block.results else block.span.line
    if len(head) <= WIDTH and not (lines.comments and lines.comments[0].span.line < end):
        lines.done.append(head + lines.trailing(end))
    else:
        lines.done.append(f"block {block.name.name}(" + lines.trailing(block.span.line))
        for param, text in zip(block.params, params, strict=True):
            lines.last = param.span.line
            lines.comments_before(param.span.line, INDENT)
            lines.done.append(f"{INDENT}{text}," + lines.trailing(param.span.end_line))
        lines.last = end
        lines.comments_before(end, INDENT)
        lines.done.append(f") -> {results} {{" + lines.trailing(end))
    lines.last = end
    for statement in block.statements:
        lines.statement(_statement(statement), statement, INDENT)
    lines.comments_before(block.last_line, INDENT)
    lines.done.append("}" + lines.trailing(block.last_line))
    lines.last = block.last_line


def _param(param: tree.Param) -> str:
    role = "" if param.role == "input" else f"{param.role} "
    return f"{param.name.name}: {role}{_type(param.type)}"


def _type(type_: tree.Type) -> str:
    dims = [_flat(d.dim) + (f"={d.size}" if d.size is not None else "") for d in type_.dims]
    return f"{type_.dtype.name}[{', '.join(dims)}]"


def _statement(statement: tree.Statement) -> str:
    if isinstance(statement, tree.Return):
        text = "return "
        for i, value in enumerate(statement.values):
            text += ", " * (i > 0)
            text += _laid_out(value, INDENT, len(text.rpartition("\n")[2]))
        return text
    if isinstance(statement, tree.Let):
        head = statement.name.name + (f": {_type(statement.type)}" if statement.type else "") + " = "
    else:
        dtype = f": {statement.dtype.name}" if statement.dtype else ""
        running = "running " if statement.running else ""
        head = f"{statement.name.name}[{_names(statement.indices)}]{dtype} {running}{_REDUCERS[statement.reducer]} "
    return head + _laid_out(statement.value, INDENT, len(head))


def _names(names: Sequence[tree.Name]) -> str:
    return ", ".join(n.name for n in names)


# ---- expressions -----------------------------------------------------------------------------------------------


def _binding(node: tree.Expr) -> int:
    """How tight the outermost operator of an expression binds."""
    match node:
        case tree.Binary(operator):
            return _BINARY[operator]
        case tree.Unary():
            return _UNARY
        case tree.Cast():
            return _CAST
        case _:
            return _ATOM


def _operands(node: tree.Binary) -> tuple[int, int]:
    """How tight the operands have to bind to stand without parentheses."""
    own = _BINARY[node.operator]
    if node.operator == "**":
        return _ATOM, _UNARY
    return own + (own == 3), own + 1


def _tight(node: tree.Expr, least: int) -> str:
    text = _flat(node)
    return text if _binding(node) >= least else f"({text})"


def _flat(node: tree.Expr) -> str:
    """An expression on one line, with no parentheses that it does not need."""
    match node:
        case tree.Number(text):
            return text
        case tree.Name(name):
            return name
        case tree.Call(name, arguments):
            return f"{name}({', '.join(_argument(a) for a in arguments)})"
        case tree.Index(name, indices):
            return f"{name}[{_names(indices)}]"
        case tree.ListOf(items):
            return f"[{', '.join(map(_flat, items))}]"
        case tree.Unary(operator, operand):
            return operator + _tight(operand, _UNARY)
        case tree.Cast(value, dtype):
            return f"{_tight(value, _CAST)} as {dtype.name}"
        case tree.Binary(operator, lhs, rhs):
            left, right = _operands(node)
            return f"{_tight(lhs, left)} {operator} {_tight(rhs, right)}"


def _argument(argument: tree.Argument) -> str:
    return (f"{argument.name}=" if argument.name else "") + _flat(argument.value)


def _laid_out(node: tree.Expr, indent: str, used: int) -> str:
    """An expression after `used` characters of a line, broken where it would be too long."""
    flat = _flat(node)
    if len(indent) + used + len(flat) <= WIDTH:
        return flat
    deeper = indent + INDENT
    match node:
        case tree.Call(name, arguments) if arguments:
            rows = [
                (f"{a.name}=" if a.name else "") + _laid_out(a.value, deeper, len(a.name) + 2) + "," for a in arguments
            ]
            return "\n".join([f"{name}(", *(deeper + row for row in rows), f"{indent})"])
        case tree.Binary():
            rows = [f"{operator} {text}".strip() if operator else text for operator, text in _chain(node, deeper)]
            return "\n".join(["(", *(deeper + row for row in rows), f"{indent})"])
        case _:
            return flat


def _chain(node: tree.Binary, indent: str) -> Iterator[tuple[str, str]]:
    """The operands of operators that bind alike, from left to right, each with the operator before it."""
    left, right = _operands(node)
    if isinstance(node.lhs, tree.Binary) and _BINARY[node.lhs.operator] == left == _BINARY[node.operator]:
        yield from _chain(node.lhs, indent)
    else:
        yield "", _operand(node.lhs, left, indent, 0)
    yield node.operator, _operand(node.rhs, right, indent, len(node.operator) + 1)


def _operand(node: tree.Expr, least: int, indent: str, used: int) -> str:
    if _binding(node) >= least:
        return _laid_out(node, indent, used)
    text = _tight(node, least)
    return text if len(indent) + used + len(text) <= WIDTH else _laid_out(node, indent, used)
