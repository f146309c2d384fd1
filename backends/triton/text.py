"""The Python text under construction: nested blocks of lines, names, and what has a name already."""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass, field


class Names:
    """Fresh Python identifiers, near to what they hold."""

    def __init__(self, *taken: str) -> None:
        self._taken = {*keyword.kwlist, *dir(builtins), "tl", "triton", "libdevice", *taken}

    def fresh(self, wish: str) -> str:
        base = re.sub(r"\W", "_", wish).strip("_") or "v"
        base = f"v{base}" if base[0].isdigit() else base
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}{number if not base[-1].isdigit() else f'_{number}'}"
        self._taken.add(name)
        return name


@dataclass
class Scope:
    """The lines of one block. What an inner block needs of an outer one is written there before the inner block is."""

    names: Names
    parent: Scope | None = None
    lines: list[str] = field(default_factory=list[str])
    named: dict[str, str] = field(default_factory=dict[str, str])
    made: set[str] = field(default_factory=set[str])

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def inner(self) -> Scope:
        return Scope(self.names, self)

    def close(self, head: str, inner: Scope) -> None:
        """The inner block, complete, as a statement of this one."""
        self.lines += [head, *(f"    {line}" for line in inner.lines or ["pass"])]

    def let(self, wish: str, text: str) -> str:
        """A new variable in this block."""
        name = self.names.fresh(wish)
        self.declare(name)
        self(f"{name} = {bare(text)}")
        return name

    def declare(self, name: str) -> None:
        """Notes that the variable is made in this block."""
        self.made.add(name)

    def pure(self, wish: str, text: str) -> str:
        """A variable that holds an expression without side effects, as far out as its operands are known; made once."""
        if re.fullmatch(r"-?\w+", text):
            return text
        words = set(re.findall(r"[A-Za-z_]\w*", text))
        scope = self
        while scope.parent is not None and not words & scope.made:
            scope = scope.parent
        if text not in scope.named:
            scope.named[text] = scope.let(wish, text)
        return scope.named[text]


def bare(text: str) -> str:
    """The text without brackets around all of it: a statement needs none."""
    inner = text[1:-1]
    depths = [inner[:i].count("(") - inner[:i].count(")") for i in range(len(inner))]
    return inner if text.startswith("(") and text.endswith(")") and min(depths, default=0) >= 0 else text
