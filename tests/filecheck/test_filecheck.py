"""The passes' filecheck cases: each holds and keeps the numbers, each pass has its cases, docs/passes.md shows them."""

import inspect
import io
import re
import sys
from pathlib import Path

import pytest
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import Options
from filecheck.parser import Parser, pattern_for_opts

from warpweave.commands.opt import command
from warpweave.ir.text import parse, to_text
from warpweave.workbench import pass_docs, pipelines
from warpweave.workbench.pass_docs import CASES, read

FILES = sorted(CASES.rglob("*.mlir"))
PAGE = Path(__file__).parents[2] / "docs" / "passes.md"


def name_of(path):
    return path.relative_to(CASES).with_suffix("").as_posix()


def opt(path, folder):
    """What `opt` prints for a case: the module that its pipeline leaves, then the ledger."""
    out = folder / "out.mlir"
    options = ["--print-ledger", "--verify-each", "--interpret-each", "-o", str(out)]
    command.main([str(path), "-p", read(path).pipeline, *options], standalone_mode=False)
    return out.read_text()


def problem(checks, printed):
    """What filecheck says of the CHECK and LEDGER lines of a text; nothing where they hold."""
    options = Options("case", check_prefixes=["CHECK", "LEDGER"])
    matcher = Matcher(options, FInput("out", printed), Parser(options, io.StringIO(checks), *pattern_for_opts(options)))
    matcher.stderr = io.StringIO()
    code = matcher.run()
    return matcher.stderr.getvalue() or ("" if code == 0 else f"filecheck ends with {code}")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_case(path, tmp_path):
    printed = opt(path, tmp_path)
    assert not (said := problem(path.read_text(), printed)), f"\n{said}\n{printed}"
    case = read(path)
    assert path.parent.name in re.split("[,{]", case.pipeline), "the pipeline does not run the pass that the case is of"
    if case.outcome != "left":
        assert any(line.startswith(f"{case.outcome} ") for line in case.ledger), f"no LEDGER line says {case.outcome}"
        return
    assert printed == to_text(parse(case.source)) + "\n", (
        "a case that is left alone: the module changed, or the ledger has rows"
    )


@pytest.mark.parametrize("path", [path for path in FILES if path.name.startswith("taken-")], ids=name_of)
def test_a_pass_that_does_nothing_is_found(path, tmp_path, monkeypatch):
    monkeypatch.setitem(pipelines.PASSES, path.parent.name, lambda module, ledger, *, target="": None)
    assert "Couldn't match" in problem(path.read_text(), opt(path, tmp_path))


@pytest.mark.parametrize(
    ("line", "wrong", "words"),
    [
        ('%2 = flow.pointwise<"silu">', '%2 = flow.pointwise<"gelu">', "case:17: error: Couldn't match"),
        ("weights %gate, %up :", "weights %up, %gate :", "case:15: error: Couldn't match"),
        ("// CHECK-NEXT: }", "// CHECK-NOT: }", "case:22: error: CHECK-NOT: excluded string found"),
        ("LEDGER: taken", "LEDGER: refused", "case:24: error: Couldn't match \"refused fuse-gemm"),
        ("saves 2304*B*S", "saves 2305*B*S", "case:24: error: Couldn't match \"taken fuse-gemm"),
    ],
)
def test_a_line_that_does_not_hold_is_found_and_shown(line, wrong, words, tmp_path):
    path = CASES / "fuse-gemm" / "taken-gated-silu.mlir"
    text, printed = path.read_text(), opt(path, tmp_path)
    assert line in text
    assert not problem(text, printed)
    assert words in problem(text.replace(line, wrong), printed)


def test_every_pass_has_a_case_of_each_outcome():
    missing = []
    first = {pipelines.PASSES[name]: name for name in reversed(pass_docs.DOCUMENTED)}
    for apply, name in first.items():
        outcomes = {case.outcome for case in pass_docs.cases(name)}
        refuses = "ledger.refuse" in inspect.getsource(sys.modules[apply.__module__])
        missing += [
            f"{name}: {wanted}" for wanted in ("taken", "refused" if refuses else "left") if wanted not in outcomes
        ]
    assert not missing, missing
    assert {path.parent.name for path in FILES} == set(first.values())


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "taken-a.mlir",
            "builtin.module {}",
            "a case is taken|refused|left-what.mlir: a sentence, `// RUN: opt -p PIPELINE`",
        ),
        ("taken-a.mlir", "// RUN: opt -p fuse-gemm", "a case is taken|refused|left"),
        ("wrong-a.mlir", "// A.\n// RUN: opt -p fuse-gemm", "a case is taken|refused|left"),
        (
            "left-a.mlir",
            "// A.\n// RUN: opt -p fuse-gemm\n\n// CHEKC: %x",
            "this is no CHECK or LEDGER line: // CHEKC: %x",
        ),
        ("left-a.mlir", "// A.\n// RUN: opt -p fuse-gemm\n// CHECK-NXT: %x", "this is no CHECK or LEDGER line"),
    ],
)
def test_a_file_that_is_no_case_is_an_error(name, text, words, tmp_path):
    (tmp_path / name).write_text(f"{text}\n")
    with pytest.raises(ValueError, match=re.escape(f"{name}: {words}")):
        read(tmp_path / name)


def test_the_page_is_what_the_cases_say():
    assert PAGE.read_text() == pass_docs.page(), "python -m warpweave.workbench.pass_docs --write docs/passes.md"
