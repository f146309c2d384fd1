"""What a `.weave` program is refused with: file, line, caret, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A place in a text: lines and columns from 1, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int

    def to(self, other: Span) -> Span:
        """From the start of this one to the end of the other."""
        return Span(self.line, self.column, other.end_line, other.end_column)


@dataclass(frozen=True)
class Source:
    """A text with the name it is spoken of by."""

    name: str
    text: str

    def excerpt(self, span: Span) -> str:
        """The first line of the span, with carets below it."""
        lines = self.text.splitlines()
        line = lines[span.line - 1].rstrip() if span.line <= len(lines) else ""
        end = span.end_column if span.end_line == span.line else len(line) + 1
        carets = "^" * max(1, min(end, len(line) + 1) - span.column)
        margin = " " * len(str(span.line))
        gap = "".join("\t" if c == "\t" else " " for c in line[: span.column - 1]).ljust(span.column - 1)
        return f"{span.line} | {line}\n{margin} | {gap}{carets}"


class WeaveError(Exception):
    """A program that is no `.weave` program, or whose names, shapes or dtypes do not fit.

    `what` and `hint` are one sentence each; the text of the error shows the place too.
    """

    def __init__(self, what: str, span: Span, source: Source, hint: str = ""):
        text = f"{source.name}:{span.line}:{span.column}: {what}\n{source.excerpt(span)}"
        super().__init__(text + (f"\nhint: {hint}" if hint else ""))
        self.what = what
        self.span = span
        self.hint = hint


class Fault(Exception):  # noqa: N818 - it becomes a WeaveError where the place is known
    """What is wrong, with a hint; `argument` names the argument of the operator at hand that it is about."""

    def __init__(self, what: str, hint: str = "", argument: str = ""):
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.argument = argument
