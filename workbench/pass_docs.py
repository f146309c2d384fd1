"""The page of the passes, from their docstrings and filecheck cases; `--write docs/passes.md` writes it.

A case is `tests/filecheck/passes/PASS/OUTCOME-what.mlir`: what it shows, as a comment; `// RUN: opt -p PIPELINE`; a
module; the lines that filecheck finds in what `opt --print-ledger` prints. OUTCOME is a key of `OUTCOMES`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..passes.pipeline import Pass
from .pipelines import LISTS, PASSES

CASES = Path(__file__).resolve().parent.parent / "tests" / "filecheck" / "passes"
DOCUMENTED = (*LISTS["all"], *LISTS["tile-to-aref"])
"""Passes, in the order of the page; each has cases."""
OUTCOMES = {"taken": "Taken", "refused": "Refused", "left": "Left alone"}
HEAD = """# The passes, by example

Generated from the passes' docstrings and the cases in `tests/filecheck/passes` by `python -m warpweave.workbench.pass_docs --write docs/passes.md`. Every example is a test: filecheck finds the lines below "becomes" in the module that the pass leaves, and the last comments in the decision ledger. Types of operands are left out; `f32[B, S, 64]` is `!flow.tensor<[B, S, 64], f32>`. To see all of it: `warpweave opt CASE -p PASS --print-ledger`.
"""  # noqa: E501

_LOOKED_FOR = re.compile(r"// (CHECK|LEDGER)(-(NEXT|NOT|SAME|DAG|LABEL|EMPTY|COUNT-\d+))?:")
_TYPE = r"!flow\.tensor<\[[^\]]*\], \w+>"
_SHORTER = (
    (r' loc\("[^"]*"\)$| \{weave\.role = "input"\}|\{\{\.\*\}\}(?=[,)])', ""),
    (r'\{weave\.role = "(\w+)"\}', r"{\1}"),
    (r"\(\{\{\.\*\}\} \{", "(…) {"),
    (rf"(flow\.(?:constant|iota) .*) : (?={_TYPE}$)", r"\1 -> "),
    (rf" : (?:\(?{_TYPE}(?:, {_TYPE})*\)?|\{{\{{\.\*\}}\}})| :$", ""),
    (r"\{\{\[0-9a-f\]\+\}\}", "…"),
    (r'#builtin\.int<(\d+)>|#flow\.dim<"?([^">]*)"?>', r"\1\2"),
    (r"!flow\.tensor<\[([^\]]*)\], (\w+)>", r"\2[\1]"),
)


@dataclass(frozen=True)
class Case:
    """One file. `checks` and `ledger` are what its CHECK and LEDGER lines look for."""

    path: Path
    outcome: str
    sentence: str
    pipeline: str
    source: str
    checks: tuple[str, ...]
    ledger: tuple[str, ...]


def read(path: Path) -> Case:
    """The case in a file. Raises ValueError where it is none, or has a comment that looks for nothing."""
    outcome, text = path.name.split("-")[0], path.read_text()
    head = re.match(r"((?:// .+\n)+?)// RUN: opt -p '?([^'\n]+)'?\n", text)
    if outcome not in OUTCOMES or head is None:
        raise ValueError(f"{path}: a case is {'|'.join(OUTCOMES)}-what.mlir: a sentence, `// RUN: opt -p PIPELINE`, …")
    for line in text[head.end() :].splitlines():
        if line.startswith("//") and not _LOOKED_FOR.match(line):
            raise ValueError(f"{path}: this is no CHECK or LEDGER line: {line}")
    sentence = " ".join(line.removeprefix("// ") for line in head[1].splitlines())
    source = "\n".join(line for line in text.splitlines() if line and not line.startswith("//"))
    checks, ledger = (re.findall(rf"^// {tag}(?:-NEXT)?: (.*)$", text, re.MULTILINE) for tag in ("CHECK", "LEDGER"))
    return Case(path, outcome, sentence, head[2], source, tuple(checks), tuple(ledger))


def cases(name: str) -> list[Case]:
    """The cases of a pass: taken, refused, left alone."""
    found = map(read, sorted((CASES / name).glob("*.mlir")))
    return sorted(found, key=lambda case: [*OUTCOMES].index(case.outcome))


def page() -> str:
    """The whole page; passes in the pipeline's order, those of one function together."""
    names: dict[Pass, list[str]] = {}
    for name in DOCUMENTED:
        names.setdefault(PASSES[name], []).append(name)
    return "\n".join([HEAD, *(line for same in names.values() for line in _section(same))])


def _section(names: list[str]) -> Iterator[str]:
    docstring = sys.modules[PASSES[names[0]].__module__].__doc__ or ""
    yield from (f"## {', '.join(names)}\n", docstring.split("\n\n")[0].replace("\n", " ") + "\n")
    for case in cases(names[0]):
        link = f"../{case.path.relative_to(CASES.parents[2]).as_posix()}"
        yield from (f"**{OUTCOMES[case.outcome]}** ([case]({link})). {case.sentence}\n", "```mlir")
        before, after = _shorter(line[2:] for line in case.source.splitlines()[1:-1]), _shorter(case.checks)
        yield from before
        yield from ("// becomes", *after) if after[1:] != before[1:] else ()
        yield from (*(f"// {line}" for line in _shorter(case.ledger)), "```\n")


def _shorter(lines: Iterable[str]) -> list[str]:
    """Lines of IR, or of what is looked for in it, without the types of operands and with short types of results."""
    found = list(lines)
    for pattern, by in _SHORTER:
        found = [re.sub(pattern, by, line) for line in found]
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", required=True, help="where the page goes")
    parser.parse_args().write.write_text(page())
