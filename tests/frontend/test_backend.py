"""The torch.compile backend: options, modes, failures that become fallbacks, several graphs, logs."""

import logging
import os
import runpy
import subprocess
import sys
import warnings

import pytest
import torch

import instruction_sets
import warpweave
from warpweave import backend, compiler
from warpweave.options import OptionError, Options
from warpweave.runtime.cpu import best_isa
from warpweave.runtime.errors import ForeignKernelError, SettingError


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path):
    torch._dynamo.reset()
    torch.manual_seed(0)
    monkeypatch.setenv("WARPWEAVE_CACHE_DIR", str(tmp_path))
    yield
    torch._dynamo.reset()


def mlp():
    return torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.GELU(), torch.nn.Linear(32, 16))


def test_found_by_its_entry_point():
    assert "warpweave" in torch._dynamo.list_backends()
    model, x = mlp(), torch.randn(5, 16)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        torch.testing.assert_close(torch.compile(model, backend="warpweave")(x), model(x), rtol=1e-5, atol=1e-5)


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(OptionError, match=r"'strikt'.*'strict'"):
        backend.warpweave(torch.fx.symbolic_trace(mlp()), [], options={"strikt": True})
    with pytest.raises(Exception, match="strikt") as error:
        torch.compile(mlp(), backend="warpweave", options={"strikt": True})(torch.randn(5, 16))
    assert "did you mean" in str(error.value).lower()


@pytest.mark.parametrize(
    ("name", "value", "word"), [("isa", "sse", "portable"), ("pack_weights", True, "never"), ("strict", 1, "True or")]
)
def test_a_value_that_an_option_cannot_have(name, value, word):
    with pytest.raises(OptionError, match=f"{name}.*{word}"):
        Options.of({name: value})


def test_an_instruction_set_that_this_cpu_has_not():
    with instruction_sets.used("avx2"):
        with pytest.raises(OptionError, match="cannot run"):
            backend.warpweave(torch.fx.symbolic_trace(mlp()), [], options={"isa": "avx512"})
        compiled = compiler.compile(mlp().eval(), (torch.randn(5, 16),), options={"isa": "avx512"})
        with pytest.raises(ForeignKernelError, match="cannot run avx512"):
            compiled(torch.randn(5, 16))


def test_an_instruction_set_that_there_is_not_is_no_bug_of_the_compiler(monkeypatch):
    monkeypatch.setenv("WARPWEAVE_ISA", "sse9")
    best_isa.cache_clear()
    try:
        with pytest.raises(torch._dynamo.exc.BackendCompilerFailed, match="SettingError: WARPWEAVE_ISA"):
            torch.compile(mlp(), backend="warpweave")(torch.randn(5, 16))
        with pytest.raises(SettingError, match="WARPWEAVE_ISA=sse9"):
            compiler.compile(mlp().eval(), (torch.randn(5, 16),))
    finally:
        best_isa.cache_clear()


def test_weights_are_not_copied_when_told_so():
    model, x = mlp(), torch.randn(5, 16)
    with torch.no_grad():
        ours = torch.compile(model, backend="warpweave", options={"pack_weights": "never"})(x)
        torch.testing.assert_close(ours, model(x), rtol=1e-5, atol=1e-5)
        assert warpweave.reports()[-1]["packed_bytes"] == 0
        torch._dynamo.reset()
        torch.testing.assert_close(torch.compile(model, backend="warpweave")(x), model(x), rtol=1e-5, atol=1e-5)
    assert warpweave.reports()[-1]["packed_bytes"] == 4 * (16 * 32 + 32 * 32)


def test_mode_is_ignored_with_one_word(caplog):
    backend._say_ignored.cache_clear()
    model, x = mlp(), torch.randn(5, 16)
    with torch.no_grad(), caplog.at_level(logging.WARNING, "warpweave"):
        for _ in range(2):
            torch._dynamo.reset()
            compiled = torch.compile(model, backend="warpweave", mode="max-autotune")
            torch.testing.assert_close(compiled(x), model(x), rtol=1e-5, atol=1e-5)
    assert [r.message for r in caplog.records if "max-autotune" in r.message] == [
        "mode='max-autotune' is ignored: warpweave has one mode; see options="
    ]


def test_a_failure_inside_the_compiler_runs_in_pytorch(monkeypatch, tmp_path):
    def broken(*args, **kwargs):
        raise ValueError('a bug with """quotes""" and \\ in it')

    monkeypatch.setattr(compiler, "compile_graph", broken)
    model, x = mlp(), torch.randn(5, 16)
    compiled = torch.compile(model, backend="warpweave")
    with torch.no_grad():
        with pytest.warns(RuntimeWarning, match="runs in PyTorch, uncompiled: ValueError: a bug") as caught:
            results = [compiled(x), compiled(x)]
        for result in results:
            torch.testing.assert_close(result, model(x), rtol=1e-5, atol=1e-5)
    assert len([w for w in caught if "warpweave" in str(w.message)]) == 1
    (reproducer,) = (tmp_path / "reproducers").glob("*.py")
    names = runpy.run_path(str(reproducer))
    inputs = names["inputs"]()
    assert [tuple(v.shape) for v in inputs if v.dim() == 2] == [(5, 16), (32, 16), (16, 32)] or len(inputs) == 5
    with torch.no_grad():
        (result,) = names["Graph"]()(*inputs)
    assert result.shape == (5, 16)
    assert warpweave.reports()[-1]["error"].startswith("ValueError: a bug")


def test_a_failure_in_training_keeps_the_gradients(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no")

    monkeypatch.setattr(compiler, "compile_graph", broken)
    model, x = mlp(), torch.randn(5, 16)
    wanted = torch.autograd.grad(model(x).square().sum(), model.parameters())
    with pytest.warns(RuntimeWarning, match="runs in PyTorch"):
        got = torch.autograd.grad(torch.compile(model, backend="warpweave")(x).square().sum(), model.parameters())
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b)


def test_complex_operators_run_in_pytorch():
    def function(x):
        return torch.view_as_complex(x) * 2

    x = torch.randn(4, 2)
    got = torch.compile(function, backend="warpweave")(x)
    torch.testing.assert_close(got, function(x))
    report = warpweave.reports()[-1]
    assert report["error"] is None
    assert [row["op"] for row in report["fallbacks"]] == ["aten.view_as_complex.default", "aten.mul.Tensor"]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x.double() @ x.double().t()).float(),
        lambda x: (x * 3).long() @ (x * 3).long().t(),
        lambda x: torch.linalg.qr(x)[1].abs(),
        lambda x: torch.fft.rfft(x).abs(),
    ],
    ids=["float64", "int64-matmul", "qr", "fft"],
)
def test_never_a_crash(function):
    x = torch.randn(6, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = torch.compile(function, backend="warpweave")(x)
    torch.testing.assert_close(got, function(x), rtol=1e-4, atol=1e-4)


def test_strict_lists_what_is_not_compiled():
    def function(x):
        return x.topk(2)[0] + x.cumprod(-1)[:, :2]

    with pytest.raises(Exception, match="topk") as error:
        torch.compile(function, backend="warpweave", options={"strict": True})(torch.randn(3, 4))
    assert "cumprod" in str(error.value)


def test_several_graphs_and_reset():
    def function(x, y):
        z = x * 2
        torch._dynamo.graph_break()
        return z + y

    x, y = torch.randn(3, 4), torch.randn(3, 4)
    for _ in range(2):
        before = len(warpweave.reports())
        compiled = torch.compile(function, backend="warpweave")
        torch.testing.assert_close(compiled(x, y), x * 2 + y)
        names = [r["name"] for r in warpweave.reports()[before:]]
        assert len(names) == len(set(names)) == 2
        torch._dynamo.reset()


def test_a_training_step():
    model, twin = mlp(), mlp()
    twin.load_state_dict(model.state_dict())
    compiled = torch.compile(twin, backend="warpweave")
    optimisers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, twin)]
    for _ in range(3):
        x = torch.randn(7, 16)
        for run, optimiser in zip((model, compiled), optimisers, strict=True):
            optimiser.zero_grad()
            run(x).square().mean().backward()
            optimiser.step()
    for a, b in zip(twin.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_autocast_outside_the_model():
    model, x = mlp(), torch.randn(5, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        got, wanted = torch.compile(model, backend="warpweave")(x), model(x)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got, wanted, rtol=3e-2, atol=3e-2)


def test_torch_logs():
    script = "import torch; print(torch.compile(lambda x: x.sin() + x.cumsum(0), backend='warpweave')(torch.ones(3)))"
    environment = {**os.environ, "TORCH_LOGS": "+warpweave"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "compiling graph_0_0_inference" in done.stderr
