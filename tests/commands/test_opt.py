"""`warpweave opt` and stock `xdsl-opt`: our dialects, passes and verifiers, and errors without a traceback."""

import subprocess
import sys

import pytest

from warpweave.ir.text import parse

LINEAR = """
builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32>, %w: !flow.tensor<[96, 64], f32> {weave.role = "weight", weave.name = "w"}) -> !flow.tensor<[B, S, 96], f32> {
    %y = flow.linear %x, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[96, 64], f32> -> !flow.tensor<[B, S, 96], f32>
    %z = flow.pointwise<"relu"> %y : (!flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32>
    func.return %z : !flow.tensor<[B, S, 96], f32>
  }
}
"""  # noqa: E501


def opt(text, *arguments, tool=("warpweave.cli", "opt")):
    return subprocess.run(
        [sys.executable, "-m", *tool, *arguments], input=text, capture_output=True, text=True, check=False
    )


def test_prints_what_it_read():
    done = opt(LINEAR)
    assert done.returncode == 0, done.stderr
    assert parse(done.stdout).is_structurally_equivalent(parse(LINEAR))


def test_fuses_a_linear_and_its_activation():
    done = opt(LINEAR, "-p", "weave-hoist-constants,weave-fuse-gemm,weave-verify-fused")
    assert done.returncode == 0, done.stderr
    (gemm,) = [op for op in parse(done.stdout).walk() if op.name == "fused.gemm"]
    assert [op.name for op in gemm.regions[0].block.ops] == ["flow.pointwise", "fused.yield"]


def test_stock_xdsl_opt_has_the_passes():
    done = opt(LINEAR, "-p", "weave-verify-flow", tool=("xdsl.tools.xdsl_opt",))
    assert done.returncode == 0, done.stderr
    assert "flow.linear" in done.stdout


@pytest.mark.parametrize(
    ("text", "passes", "words"),
    [
        (LINEAR.replace("%x, %w :", "%x, :"), "weave-verify-flow", "expected"),
        (LINEAR.replace("[96, 64]", "[96, 63]"), "weave-verify-flow", "64"),
        (LINEAR, "weave-verify-fused", "flow.linear"),
    ],
)
def test_what_is_wrong_is_an_error_not_a_traceback(text, passes, words):
    done = opt(text, "-p", passes)
    assert (done.returncode, done.stdout) == (1, "")
    assert words.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
