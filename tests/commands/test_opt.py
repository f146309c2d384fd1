"""`warpweave opt`, `repro`, `reduce` and stock `xdsl-opt`: what they print, their exit codes, errors without a traceback."""

import io
import os
import signal
import subprocess
import sys

import pytest

from flow_models import MODELS
from generated import flow_chain
from warpweave.cli import main
from warpweave.ir import flow
from warpweave.ir.text import parse, to_text
from warpweave.passes import fuse_gemm
from warpweave.workbench import pipelines

LINEAR = """
builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32>, %w: !flow.tensor<[96, 64], f32> {weave.role = "weight", weave.name = "w"}) -> !flow.tensor<[B, S, 96], f32> {
    %y = flow.linear %x, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[96, 64], f32> -> !flow.tensor<[B, S, 96], f32>
    %z = flow.pointwise<"relu"> %y : (!flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32>
    func.return %z : !flow.tensor<[B, S, 96], f32>
  }
}
"""  # noqa: E501


@pytest.fixture
def warpweave(capsys, monkeypatch, tmp_path):
    """(exit code, stdout, stderr) of a command, run here."""
    monkeypatch.setenv("WARPWEAVE_CACHE_DIR", str(tmp_path / "cache"))

    def run(*arguments, text=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, arguments)))
        return (ended.value.code, *capsys.readouterr())

    return run


def test_prints_what_it_read(warpweave):
    code, out, _ = warpweave("opt", text=LINEAR)
    assert code == 0
    assert parse(out).is_structurally_equivalent(parse(LINEAR))


def test_fuses_a_linear_and_its_activation(warpweave):
    code, out, _ = warpweave("opt", "-", "-p", "hoist-constants,fuse-gemm,verify-fused", text=LINEAR)
    assert code == 0
    (gemm,) = [op for op in parse(out).walk() if op.name == "fused.gemm"]
    assert [op.name for op in gemm.regions[0].block.ops] == ["flow.pointwise", "fused.yield"]


def test_instruments(warpweave, tmp_path):
    options = [
        "--verify-each",
        "--interpret-each",
        "--time-passes",
        "--print-ir-after",
        "changed",
        "--dump",
        tmp_path / "d",
    ]
    code, out, err = warpweave("opt", "-", "-p", "all", "--size", "S=3", *options, text=LINEAR)
    assert code == 0
    files = sorted(path.name for path in (tmp_path / "d").iterdir())
    assert len(files) == 1 + len(pipelines.parse("all"))
    assert (files[0], files[-1]) == ("00-input.mlir", f"{len(files) - 1}-form-tiles.mlir")
    assert (tmp_path / "d" / files[-1]).read_text() == out
    printed = [line for line in err.splitlines() if line.startswith("// ---- after")]
    assert printed == ["// ---- after fuse-gemm ----", "// ---- after form-tiles ----"]
    assert "total" in err.splitlines()[-1]


def test_lists_its_passes(warpweave):
    _, out, _ = warpweave("opt", "--list")
    assert "fused-to-tile: form-tiles" in out.splitlines()
    assert pipelines.PASSES.keys() <= set(out.split())


@pytest.mark.parametrize("passes", ["weave-verify-flow", "weave-fuse-gemm"])
def test_stock_xdsl_opt_has_the_passes(passes):
    command = [sys.executable, "-m", "xdsl.tools.xdsl_opt", "-p", passes]
    done = subprocess.run(command, input=LINEAR, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("flow.linear" if "verify" in passes else "fused.gemm") in done.stdout


@pytest.mark.parametrize(
    ("text", "arguments", "code", "words"),
    [
        (LINEAR.replace("%x, %w :", "%x, :"), [], 1, "does not parse"),
        (LINEAR.replace("[96, 64]", "[96, 63]"), [], 1, "rows of 64"),
        (LINEAR, ["-p", "verify-fused"], 1, "`flow.linear` may not stand"),
        (LINEAR, ["-p", "fuse-gem"], 2, "Did you mean `fuse-gemm`?"),
        (LINEAR, ["-p", "all", "--interpret-each", "--size", "S"], 2, "expected NAME=N"),
        (LINEAR, ["-p", "all", "--print-ir-after", "some"], 2, "'some' is not one of"),
    ],
)
def test_what_is_wrong_is_an_error_not_a_traceback(warpweave, text, arguments, code, words):
    got, out, err = warpweave("opt", "-", *arguments, text=text)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err


def test_no_such_file(warpweave):
    code, _, err = warpweave("opt", "absent.mlir")
    assert code == 2
    assert "absent.mlir: No such file" in err


def no_silu(module, ledger):
    """Wrong: silu is the identity."""
    for op in list(module.walk()):
        if isinstance(op, flow.PointwiseOp) and op.kind.data == "silu":
            op.result.replace_all_uses_with(op.operands[0])


def test_a_wrong_pass_from_opt_to_repro_to_reduce_to_repaired(warpweave, tmp_path, monkeypatch):
    monkeypatch.setitem(pipelines.PASSES, "fuse-map", no_silu)
    path = tmp_path / "model.mlir"
    path.write_text(to_text(MODELS["llama"]()[0]))
    code, _, err = warpweave("opt", path, "-p", "split-linears,fuse-map", "--interpret-each")
    assert code == 4
    assert "pass `fuse-map` changes the numbers of result 0" in err
    reproducer = err.split()[-1]
    code, out, _ = warpweave("repro", reproducer)
    assert (code, out.startswith("still fails: FaultError: pass `fuse-map`")) == (0, True)
    monkeypatch.undo()
    code, out, _ = warpweave("repro", reproducer)
    assert (code, out.startswith("does not fail any more")) == (4, True)


def wrong_reproducer(warpweave, tmp_path):
    """Of a program of 40 ops that `no_silu` in place of `fuse-map` gives other numbers."""
    path = tmp_path / "model.mlir"
    path.write_text(to_text(flow_chain(40, seed=2)))
    code, _, err = warpweave("opt", path, "-p", "split-linears,fuse-map", "--interpret-each")
    assert code == 4, err
    return err.split()[-1]


@pytest.mark.parametrize("check", [[], ["--check", "warpweave repro"]], ids=["by its header", "by repro"])
def test_a_reproducer_is_reduced_in_this_process(warpweave, tmp_path, monkeypatch, check):
    """The numbers in what it says change with every candidate: they are no other failure."""
    monkeypatch.setitem(pipelines.PASSES, "fuse-map", no_silu)
    reproducer = wrong_reproducer(warpweave, tmp_path)
    monkeypatch.setattr(subprocess, "run", None)
    small = tmp_path / "small.mlir"
    code, _, err = warpweave("reduce", reproducer, *check, "-o", small, "--seconds", "60")
    assert code == 0
    assert err.splitlines()[-1].endswith("now 3")
    assert [op.name for op in parse(small.read_text()).walk()][2:] == ["flow.pointwise", "func.return"]
    code, out, _ = warpweave("repro", small)
    assert (code, out.startswith("still fails: FaultError: pass `fuse-map` changes the numbers")) == (0, True)
    monkeypatch.undo()
    code, _, err = warpweave("reduce", reproducer)
    assert code == 2
    assert "does not fail as its header says" in err


def test_a_reproducer_that_kills_the_process_is_reduced_in_children(warpweave, tmp_path, monkeypatch):
    def kill(module, ledger):
        if any(isinstance(op, flow.SoftmaxOp) for op in module.walk()):
            os.kill(os.getpid(), signal.SIGSEGV)

    monkeypatch.setitem(pipelines.PASSES, "fuse-map", no_silu)
    reproducer = wrong_reproducer(warpweave, tmp_path)
    monkeypatch.setitem(pipelines.PASSES, "fuse-map", kill)
    code, out, _ = warpweave("reduce", reproducer, "--seconds", "60")
    assert code == 0
    assert [op.name for op in parse(out).walk()][2:] == ["flow.softmax", "func.return"]


def test_locations_are_printed_where_they_are_asked_for(warpweave, tmp_path):
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    code, out, _ = warpweave("explain", f"{path}:factory", "--ir", "flow", "--locations")
    assert code == 0
    (line,) = [line for line in out.splitlines() if "flow.linear" in line]
    assert 'loc("inner.0"' in line
    code, out, err = warpweave("opt", "-", "-p", "fuse-gemm", "--print-ledger", text=out)
    assert "inner.0" in out + err
    assert warpweave("explain", f"{path}:factory", "--locations")[0] == 2


MODEL = """
import torch


def factory():
    inner = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU())
    return Outer(inner), (torch.ones(2, 8),)


class Outer(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)
"""


def test_a_crash_leaves_a_reproducer(warpweave, monkeypatch):
    def crash(module, ledger):
        raise KeyError("lost")

    monkeypatch.setitem(pipelines.PASSES, "fuse-gemm", crash)
    code, _, err = warpweave("opt", "-", "-p", "flow-to-fused", text=LINEAR)
    assert code == 70
    assert "pass `fuse-gemm` fails: KeyError: 'lost'" in err
    assert warpweave("repro", err.split()[-1])[0] == 0
    monkeypatch.setitem(pipelines.PASSES, "fuse-gemm", fuse_gemm.run)
    assert warpweave("repro", err.split()[-1])[0] == 4


def test_repro_wants_a_reproducer(warpweave, tmp_path):
    (tmp_path / "plain.mlir").write_text(LINEAR)
    code, _, err = warpweave("repro", tmp_path / "plain.mlir")
    assert code == 2
    assert "no reproducer: its header has no pipeline" in err


def test_reduce_keeps_the_header_and_what_the_command_finds(warpweave, tmp_path):
    path = tmp_path / "big.mlir"
    path.write_text(f"// seed: 3\n{to_text(flow_chain(60))}\n")
    code, out, err = warpweave("reduce", path, "--check", "grep -q flow.rms_norm {}", "--seconds", "60")
    assert code == 0
    assert out.startswith("// seed: 3\nbuiltin.module")
    assert [op.name for op in parse(out).walk()][2:] == ["flow.rms_norm", "func.return"]
    assert err.splitlines()[-1] == "62 ops, now 3"


@pytest.mark.parametrize(
    ("check", "words"),
    [("false", "does not fail to begin with"), ("no-such-command", "No such file"), ("'", "No closing")],
)
def test_a_check_that_cannot_be(warpweave, tmp_path, check, words):
    path = tmp_path / "linear.mlir"
    path.write_text(LINEAR)
    code, _, err = warpweave("reduce", path, "--check", check)
    assert code == 2
    assert words in err
