"""What one program cannot say leaves by itself: PyTorch runs that operator, programs the rest, and the report lists it."""

import pytest
import torch
import torch.nn.functional as F
from torch._dynamo.exc import BackendCompilerFailed
from torch.utils.checkpoint import checkpoint

import warpweave
from warpweave import graph_compiler
from warpweave.report import UnsupportedError
from warpweave.runtime.errors import BundleError


@torch.library.custom_op("leaving::bump", mutates_args=("x",))
def bump(x: torch.Tensor, by: int) -> None:
    x.add_(by)


@torch.library.custom_op("leaving::both", mutates_args=())
def both(x: torch.Tensor) -> list[torch.Tensor]:
    return [x * 2, x + 1]


@both.register_fake
def _(x):
    return [torch.empty_like(x), torch.empty_like(x)]


def conditional(x):
    y = torch.cond(x.sum() > 0, lambda a: a.sin() * 2, lambda a: a.cos(), (x.relu() + 1,))
    return y.sigmoid() * 3


def repeated(x):
    _, y = torch._higher_order_ops.while_loop(
        lambda i, a: i < 3, lambda i, a: (i + 1, a * 2 + 1), (torch.zeros((), dtype=torch.int64), x.relu() + 1)
    )
    return y.sigmoid() * 2


def spectrum(x):
    return torch.fft.rfft(x.relu() + 1).abs().sigmoid() * 2


def complex_argument(x, z):
    return z.abs().sigmoid() * (x.relu() + 1), z


def complex_result(x):
    return torch.view_as_complex(x.relu() + 1) * 2, x.sigmoid() * 3


def custom(x):
    y = x.relu() + 1
    bump(y, 3)
    a, b = both(y)
    return (a + b).sigmoid() * y


def asserted(x):
    torch._assert_async(x.isfinite().all(), "not finite")
    return x.relu() * 2


def quantised(x):
    return torch.quantize_per_tensor(x.relu() + 1, 0.1, 0, torch.quint8).dequantize().sigmoid() * 2


def elsewhere(x):
    return x.relu() + 1, torch.ones(3, device="meta") * 2


def written(x):
    spectrum = torch.fft.rfft(x)
    x.mul_(0.5)
    return torch.view_as_real(spectrum).sigmoid() + 1, x * 2


X, Z = torch.randn(4, 6), torch.randn(4, 6, dtype=torch.complex64)
CASES = {
    conditional: ((X,), ["higher_order.cond"]),
    repeated: ((X,), ["higher_order.while_loop"]),
    spectrum: ((X,), ["aten._fft_r2c.default", "aten.abs.default"]),
    complex_argument: ((X, Z), ["aten.abs.default"]),
    complex_result: ((X.reshape(12, 2),), ["aten.view_as_complex.default", "aten.mul.Tensor"]),
    custom: ((X,), ["higher_order.auto_functionalized_v2", "leaving.both.default"]),
    asserted: ((X,), ["aten._assert_async.msg"]),
    quantised: ((X,), ["aten.quantize_per_tensor.default", "aten.dequantize.self"]),
    elsewhere: ((X,), ["aten.ones.default", "aten.mul.Tensor"]),
    written: ((X,), ["aten._fft_r2c.default", "aten.view_as_real.default"]),
}


def compiled(function, args, **options):
    torch._dynamo.reset()
    before = len(warpweave.reports())
    got = torch.compile(function, backend="warpweave", fullgraph=True, **options)(*args)
    return got, warpweave.reports()[before:]


@pytest.mark.filterwarnings("ignore:.*quantize_per_tensor:UserWarning", "error::RuntimeWarning")
@pytest.mark.parametrize(
    ("function", "dynamic"),
    [*((f, False) for f in CASES), *((f, True) for f in (conditional, spectrum, complex_argument, written))],
    ids=lambda value: getattr(value, "__name__", "dynamic" if value else "static"),
)
def test_the_rest_is_compiled(function, dynamic):
    args, left = CASES[function]
    given, wanted = [[a.clone() for a in args] for _ in range(2)]
    with torch.no_grad():
        got, (report,) = compiled(function, given, dynamic=dynamic)
        torch.testing.assert_close(got, function(*wanted), check_device=True)
    torch.testing.assert_close(given, wanted)
    rows = report["fallbacks"]
    assert report["error"] is None
    assert report["kernels"], "nothing was compiled"
    assert sorted(row["op"] for row in rows) == sorted(left)
    assert all(row["reason"] and row["cost"] not in ("", "0") for row in rows)
    assert report["supported"] == report["ops"] - len(rows) > 0


@pytest.mark.parametrize("function", [conditional, complex_argument, asserted], ids=lambda f: f.__name__)
def test_strict_refuses_what_leaves(function):
    args, left = CASES[function]
    with torch.no_grad(), pytest.raises(BackendCompilerFailed, match=left[0].replace(".", "\\.")) as caught:
        compiled(function, args, options={"strict": True})
    assert isinstance(caught.value.inner_exception, UnsupportedError)
    assert [row["op"] for row in caught.value.inner_exception.fallbacks] == left


def test_an_assertion_still_fires():
    with torch.no_grad():
        run = torch.compile(asserted, backend="warpweave", fullgraph=True)
        run(X)
        with pytest.raises(RuntimeError, match="not finite"):
            run(X / 0)


@torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True)
def test_sizes_that_depend_on_data():
    def chosen(x):
        y = x.relu() + 1
        return y[y > 1.5].sigmoid() * 2

    with torch.no_grad():
        torch._dynamo.reset()
        run = torch.compile(chosen, backend="warpweave", fullgraph=True)
        for x in (X, X - 100, X + 100):
            torch.testing.assert_close(run(x), chosen(x))
    report = warpweave.reports()[-1]
    assert (report["error"], len(report["kernels"])) == (None, 2)
    assert "aten.index.Tensor" in [row["op"] for row in report["fallbacks"]]


def attention(q):
    return F.silu(F.scaled_dot_product_attention(q, q, q, is_causal=True))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_checkpointed_attention(dropout):
    def step(q):
        return checkpoint(lambda q: F.dropout(attention(q), dropout), q, use_reentrant=False) * 2

    def gradient(backend):
        torch._dynamo.reset()
        torch.manual_seed(0)
        result = torch.compile(step, backend=backend)(q)
        return result, *torch.autograd.grad(result.square().sum(), q)

    q = torch.randn(1, 2, 8, 16, requires_grad=True)
    before = len(warpweave.reports())
    torch.testing.assert_close(gradient("warpweave"), gradient("aot_eager"))
    forward, backward = warpweave.reports()[before:]
    states = [row["op"] for r in (forward, backward) for row in r["fallbacks"] if "rng_state" in row["op"]]
    assert (forward["error"], backward["error"]) == (None, None)
    assert forward["kernels"]
    assert backward["kernels"]
    assert len(states) == (2 if dropout else 0), "attention without dropout needs no random state"


def test_random_numbers_in_order():
    """Those that a program's step draws, and those of a higher-order operator between programs."""

    def noisy(x):
        a = F.dropout(x.relu() + 1, 0.5)
        b = torch.cond(x.sum() > 0, lambda v: v + torch.rand_like(v), lambda v: v - torch.rand_like(v), (x,))
        return a, b, F.dropout(x.sigmoid() * 2, 0.3)

    with torch.no_grad():
        torch.manual_seed(1)
        got, _ = compiled(noisy, (X,))
        torch.manual_seed(1)
        torch.testing.assert_close(got, noisy(X))


# ---- an operator that the compiler fails on ----------------------------------------------------------------------


class _BrokenError(Exception):
    pass


@pytest.fixture
def broken(monkeypatch):
    """A compiler that raises for modules with these kinds of pointwise operators."""
    from warpweave.ir import flow

    kinds, real = set(), graph_compiler.compile_module

    def compile_module(module, *args, **kwargs):
        found = [op for op in module.walk() if isinstance(op, flow.PointwiseOp) and op.kind.data in kinds]
        if found:
            raise _BrokenError(f"cannot do {found[0].kind.data}")
        return real(module, *args, **kwargs)

    monkeypatch.setattr(graph_compiler, "compile_module", compile_module)
    return kinds


def chain(x):
    for i in range(6):
        x = (x * 1.5 + i).sigmoid()
    return (x.sin() + x.cos()).relu()


def test_operators_that_fail_are_found(broken, tmp_path):
    broken |= {"sin", "cos"}
    with torch.no_grad(), pytest.warns(RuntimeWarning, match="left to PyTorch, because compiling failed") as caught:
        got, (report,) = compiled(chain, (X,))
    torch.testing.assert_close(got, chain(X))
    assert [row["op"] for row in report["fallbacks"]] == ["aten.sin.default", "aten.cos.default"]
    assert all("compiling it failed: _BrokenError: cannot do" in row["reason"] for row in report["fallbacks"])
    assert report["error"] is None
    assert len(report["kernels"]) >= 2
    assert "reproducer" in str(caught[0].message)
    assert "None" not in str(caught[0].message)


def test_strict_refuses_operators_that_fail(broken):
    broken.add("sin")
    with (
        torch.no_grad(),
        pytest.warns(RuntimeWarning),
        pytest.raises(BackendCompilerFailed, match=r"aten\.sin\.default"),
    ):
        compiled(chain, (X,), options={"strict": True})


def test_a_graph_that_leaves_whole_is_listed(broken, monkeypatch):
    broken.add("sin")
    monkeypatch.setattr(graph_compiler, "TRIALS", 0)
    with torch.no_grad(), pytest.warns(RuntimeWarning, match="runs in PyTorch, uncompiled"):
        got, (report,) = compiled(chain, (X,))
    torch.testing.assert_close(got, chain(X))
    assert report["error"].startswith("_BrokenError")
    assert (report["ops"], report["supported"], report["aten_calls"]) == (22, 0, 22)
    assert len(report["fallbacks"]) == 22
    assert all(row["cost"] not in ("", "0") for row in report["fallbacks"])
    with torch.no_grad(), pytest.raises(BackendCompilerFailed, match="22 operators are not compiled"):
        compiled(chain, (X,), options={"strict": True})


@pytest.mark.parametrize("culprits", [{3}, {0, 15}, {7, 8, 9}, set(range(16))], ids=str)
def test_the_search_finds_the_fewest(culprits):
    tried = []

    def attempt(left):
        tried.append(set(left))
        if not culprits <= set(left):
            raise ValueError
        return left

    search = graph_compiler.Search(attempt, trials=100)
    assert search.works(range(16))
    search.shrink(range(16), [])
    assert set(search.left) == set(search.made) == culprits
    assert len(tried) <= 40


def test_the_search_ends():
    def attempt(left):
        if not {3, 60} <= set(left):
            raise ValueError
        return left

    search = graph_compiler.Search(attempt, trials=5)
    assert search.works(range(64))
    search.shrink(range(64), [])
    assert {3, 60} <= set(search.left)
    assert search.trials == 0


# ---- ahead of time -----------------------------------------------------------------------------------------------


def test_ahead_of_time(tmp_path):
    class Model(torch.nn.Module):
        def forward(self, x):
            return spectrum(x)

    model = warpweave.compile(Model(), (X,))
    torch.testing.assert_close(model(X), spectrum(X))
    assert [row["op"] for row in model.report["fallbacks"]] == ["aten._fft_r2c.default", "aten.abs.default"]
    with pytest.raises(BundleError, match="cannot be saved as one program"):
        model.save(tmp_path / "model.wwb")


def test_numbers_vectors_and_empties_leave_without_a_failure():
    def function(x):
        return x.sum().softmax(0) + x.relu(), x[:0].roll(1, 0), F.linear(x[0], x) + 1

    with torch.no_grad():
        got, (report,) = compiled(function, (X,))
    torch.testing.assert_close(got, function(X))
    assert not [row for row in report["fallbacks"] if "failed" in row["reason"]]
