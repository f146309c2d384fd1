"""`warpweave.load_weave`: how programs are called, what is refused, caches, bundles; and the commands on `.weave` files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import warpweave
from warpweave.cli import main
from warpweave.frontend.weave.errors import WeaveError
from warpweave.frontend.weave.expressions import OPERATORS
from warpweave.frontend.weave.functions import DTYPES, FUNCTIONS
from warpweave.runtime.errors import ArgumentError

DOCS = Path(__file__).resolve().parents[3] / "docs" / "weave.md"
TEXT = """block f(x: f32[B, S, D=8], w: weight f32[N=4, D]) -> (f32[B, S, N], f32[B, S, 1]) {
  return silu(linear(x, w)), sum(x)
}
"""


@pytest.fixture(scope="module")
def program():
    return warpweave.load_weave(TEXT)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "f.weave").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(capfd, *arguments: str) -> tuple[object, str, str]:
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return (ended.value.code, *capfd.readouterr())


def expected(x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    return torch.nn.functional.silu(x @ w.T), x.sum(-1, keepdim=True)


# ---- calls -----------------------------------------------------------------------------------------------------


def test_arguments_by_position_and_name_at_any_size(program):
    w = torch.randn(4, 8)
    for batch, length in ((2, 3), (1, 40), (5, 1)):
        x = torch.randn(batch, length, 8)
        for given in (program(x, w), program(x, w=w), program(w=w, x=x)):
            for ours, theirs in zip(given, expected(x, w), strict=True):
                torch.testing.assert_close(ours, theirs)


def test_a_strided_argument_and_new_weights(program):
    x = torch.randn(3, 2, 8).transpose(0, 1)
    for w in (torch.randn(4, 8), torch.zeros(4, 8)):
        torch.testing.assert_close(program(x, w)[0], expected(x, w)[0])


def test_a_path_and_one_result(tmp_path):
    path = tmp_path / "twice.weave"
    path.write_text("block twice(x: f32[N]) -> f32[N] {\n  return 2 * x\n}\n")
    for given in (path, str(path)):
        assert warpweave.load_weave(given)(torch.ones(3)).tolist() == [2, 2, 2]
    assert warpweave.load_weave(path.read_text())(torch.ones(2)).tolist() == [2, 2]


X, W = torch.ones(2, 3, 8), torch.ones(4, 8)


@pytest.mark.parametrize(
    ("args", "kwargs", "what", "why"),
    [
        ((X,), {}, "no argument w", "it takes x, w"),
        ((X, W, W), {}, "3 arguments", "it takes 2: x, w"),
        ((X,), {"v": W}, "argument v", "it takes x, w"),
        ((X, W), {"x": X}, "argument x, given twice", "it is given by position too"),
        ((X, None), {}, "argument w is NoneType", "it is float32[4, 8]"),
        ((X.bfloat16(), W), {}, "argument x is bfloat16[2, 3, 8]", "it is float32[B, S, 8]"),
        ((X[0], W), {}, "argument x is float32[3, 8]", "it is float32[B, S, 8]"),
        ((X, torch.ones(4, 9)), {}, "argument w has a dim of 9", "it is float32[4, 8]"),
    ],
)
def test_wrong_arguments(program, args, kwargs, what, why):
    with pytest.raises(ArgumentError) as refused:
        program(*args, **kwargs)
    assert str(refused.value).startswith(f"{what}\n  where: block f\n  why:   {why}\n  next:  ")


def test_sizes_that_do_not_agree():
    add = warpweave.load_weave("block add(x: f32[B, S], y: f32[S]) -> f32[B, S] {\n  return x + y\n}\n")
    with pytest.raises(
        ArgumentError, match=r"argument y has a dim of 4\n  where: block add\n  why:   S is 3 in argument x"
    ):
        add(torch.ones(2, 3), torch.ones(4))


def test_a_wrong_program_is_an_error_with_its_place():
    with pytest.raises(WeaveError) as refused:
        warpweave.load_weave("block f(x: f32[B]) -> f32[B] {\n  return y\n}\n")
    assert (refused.value.span.line, refused.value.span.column) == (2, 10)


def test_a_cache_is_written_in_place():
    text = """block step(cache: cache f32[B, L, 4], row: f32[B, n, 4], at: i64[n]) -> f32[B, L, 1] {
  seen = kv_append(cache, row, at)
  return sum(seen)
}
"""
    step = warpweave.load_weave(text)
    cache, rows = torch.zeros(2, 5, 4), torch.randn(2, 2, 4)
    total = step(cache, rows, torch.tensor([3, 1]))
    assert torch.equal(cache[:, [3, 1]], rows)
    assert not cache[:, [0, 2, 4]].any()
    torch.testing.assert_close(total, cache.sum(-1, keepdim=True))


def test_names_dims_and_roles_reach_the_ir(program):
    text = program.ir["flow"]
    assert '%x: !flow.tensor<[B, S, 8], f32> {weave.role = "input", weave.name = "x"}' in text
    assert '%w: !flow.tensor<[4, 8], f32> {weave.role = "weight", weave.name = "w"}' in text
    assert program.report["kernels"][0]["modules"] == ["f.return"]


# ---- commands --------------------------------------------------------------------------------------------------


def test_compile_with_weights_and_run_the_bundle(folder, capfd):
    x, w = torch.randn(2, 3, 8), torch.randn(4, 8)
    save_file({"w": w}, "w.safetensors")
    assert command(capfd, "compile", "f.weave", "--weights", "w.safetensors", "-o", "with.weavebundle")[0] == 0
    assert command(capfd, "compile", "f.weave", "-o", "without.weavebundle")[0] == 0
    for ours in (warpweave.load("with.weavebundle")([x]), warpweave.load("without.weavebundle")([x, w])):
        torch.testing.assert_close(ours[0], expected(x, w)[0])
    code, out, _ = command(capfd, "run", "without.weavebundle", "--size", "B=2")
    assert (code, "output float32[2, 16, 4]" in out) == (0, True)


def test_run_and_explain_a_program(folder, capfd):
    code, out, _ = command(capfd, "run", "f.weave", "--size", "S=5")
    assert (code, "output float32[16, 5, 4]" in out) == (0, True)
    code, out, _ = command(capfd, "explain", "f.weave", "--ir", "flow")
    assert (code, "flow.linear" in out) == (0, True)


def test_compile_prints_the_passes(folder, capfd):
    Path("c.weave").write_text(
        "block c(X: f32[M, N]) -> f32[M, N] {\n  A[m] = X[m, n]\n  Y[m, n] = X[m, n] / A[m]\n  return Y\n}\n"
    )
    code, out, _ = command(capfd, "compile", "c.weave", "-o", "c.weavebundle")
    assert code == 0
    assert out.startswith(
        "passes over X[n]: 2 passes\n  pass 2 begins with Y (line 3), which needs all of A (line 2)\n"
        "one pass over every other rank of X\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("explain", "absent.weave"), 2, "no file absent.weave."),
        (("explain", "binary.weave"), 2, "binary.weave is no UTF-8 text"),
        (("compile", "f.weave", "--weights", "absent", "-o", "o"), 2, "no file absent."),
        (("compile", "f.weave", "--weights", "f.weave", "-o", "o"), 2, "f.weave is no safetensors file"),
        (("compile", "f.weave", "--weights", "other", "-o", "o"), 2, "it has the weights w"),
        (("run", "f.weave", "--verify"), 2, "holds no eager code"),
        (("run", "f.weave", "--size", "Q=2"), 2, "expected NAME=N with NAME one of B, S"),
        (("fmt", "absent.weave"), 2, "no file absent.weave."),
        (("fmt", "wrong.weave"), 1, "wrong.weave:1:1: expected `block`"),
    ],
)
def test_failures_are_words(folder, capfd, arguments, code, words):
    Path("binary.weave").write_bytes(b"\xff\xfe")
    Path("wrong.weave").write_text("hello\n")
    save_file({"v": torch.ones(1)}, "other")
    done = command(capfd, *arguments)
    assert (done[0], "Traceback" in done[2]) == (code, False)
    assert words in done[2]


def test_fmt(folder, capfd, monkeypatch):
    Path("u.weave").write_text("block  f(x:f32[N])->f32[N]{\n return 2*x # twice\n}\n")
    tidy = "block f(x: f32[N]) -> f32[N] {\n  return 2 * x  # twice\n}\n"
    assert command(capfd, "fmt", "--check", "u.weave", "f.weave")[:2] == (1, "u.weave: would change\n")
    assert command(capfd, "fmt", "u.weave", "f.weave")[:2] == (0, "u.weave: laid out\n")
    assert Path("u.weave").read_text() == tidy
    assert command(capfd, "fmt", "--check", "u.weave")[:2] == (0, "")
    with open("u.weave") as text:
        monkeypatch.setattr("sys.stdin", text)
        assert command(capfd, "fmt", "-")[:2] == (0, tidy)


# ---- the reference ---------------------------------------------------------------------------------------------


def test_the_table_of_operators_is_that_of_the_language():
    rows = re.findall(r"^\| `(\w+\(.*?\))` \| (.*?) \|$", DOCS.read_text(), re.MULTILINE)
    assert rows == [(o.signature, o.summary) for o in OPERATORS.values()]


def test_the_lists_of_functions_and_dtypes_are_those_of_the_language():
    text = DOCS.read_text()
    for start, names in (("Functions:", [*FUNCTIONS, "softcap"]), ("Dtypes:", DTYPES)):
        line = next(line for line in text.splitlines() if line.startswith(start))
        assert re.findall(r"`(\w+)`", line) == list(names)


@pytest.mark.parametrize(
    "text", re.findall(r"```weave\n(.*?)```", DOCS.read_text() if DOCS.exists() else "", re.DOTALL)
)
def test_programs_of_the_reference_are_laid_out_and_compile(text: str):
    from warpweave.frontend.weave.errors import Source
    from warpweave.frontend.weave.format import format_text
    from warpweave.frontend.weave.lower import lower
    from warpweave.frontend.weave.parse import parse

    assert format_text(text) == text
    assert lower(parse(text), Source("<text>", text)).verify() is None
