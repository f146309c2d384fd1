"""GEMM kernels against the float64 reference: epilogues, ragged sizes, head dims, statistics, appends."""

import pytest
import torch
from xdsl.dialects.builtin import ModuleOp

from flow_models import Function
from tile_programs import check, form, gemm
from warpweave.ir import flow
from warpweave.ir.reference import run
from warpweave.ir.testing import Runner
from warpweave.ir.types import TensorType, tensor_type

T = TensorType.of


def pw(add, kind, *inputs):
    return add(flow.PointwiseOp(kind, list(inputs)))


def linear(f, a, n, dtype="f32", k=None):
    return f.weight("w", n, k or tensor_type(a).shape[-1].value)


@pytest.mark.parametrize(("rows", "k", "n"), [(1, 7, 1), (3, 64, 50), (33, 100, 65), (40, 300, 129), (70, 33, 200)])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_bias_and_activation(rows, k, n, dtype):
    f = Function("main", dtype)
    a, bias = f.arg("a", [rows, k]), f.arg("bias", [n])
    w = f.weight("w", n, k)
    out = gemm(f, a, [w], [bias], [T([rows, n], dtype)], lambda add, x, b: [pw(add, "gelu", pw(add, "add", x, b))])
    check(f, *out, atol=2e-6 if dtype == "f32" else 1e-12)


@pytest.mark.parametrize("kind", ["sumsq", "moments"])
@pytest.mark.parametrize("n", [32, 64, 100, 192, 250])
def test_gated_residual_and_statistics_then_a_deferred_norm(kind, n):
    f = Function("main")
    sizes = {"B": 2, "S": 19}
    a, residual = f.arg("a", ["B", "S", 48], sizes=sizes), f.arg("r", ["B", "S", n], sizes=sizes)
    gate, up = f.weight("gate", n, 48), f.weight("up", n, 48)
    stats_type = flow.RowStatsOp.result_type(T(["B", "S", n], "f32"), kind, 64)

    def body(add, g, u, r):
        x = pw(add, "add", pw(add, "mul", pw(add, "silu", g), u), r)
        return [x, add(flow.RowStatsOp(x, kind, 64))]

    x, stats = gemm(f, a, [gate, up], [residual], [T(["B", "S", n], "f32"), stats_type], body)

    def normed(add, y, s):
        y = pw(add, "mul", y, add(flow.RowScaleOp(s, kind, n, 64, 1e-5)))
        return [pw(add, "add", y, add(flow.RowMeanOp(s, n)))] if kind == "moments" else [y]

    (y,) = gemm(f, x, [f.weight("w", 40, n)], [stats], [T(["B", "S", 40], "f32")], normed)
    check(f, x, stats, y, atol=1e-4)


@pytest.mark.parametrize("d", [16, 32, 64, 80, 96, 128])
@pytest.mark.parametrize("partial", [1, 2])
@pytest.mark.parametrize("kind", ["half", "interleaved"])
def test_heads_norm_rope_append(d, partial, kind):
    f = Function("main")
    heads, kv, sizes = 3, 2, {"B": 2, "S": 5, "L": 11}
    a = f.arg("a", ["B", "S", 24], sizes=sizes)
    weights = [f.weight("w", n * d, 24) for n in (heads, kv, kv)]
    cos, sin = (f.arg(name, [1, "S", d // partial], sizes=sizes) for name in ("cos", "sin"))
    norm = f.arg("norm", [d])
    caches = [f.arg("cache", ["B", kv, "L", d], "cache", sizes=sizes) for _ in range(2)]
    positions = f.arg("positions", ["S"], dtype="i64", sizes=sizes, value=torch.tensor([9, 3, 0, 7, 4]))

    def body(add, q, k, v, cos, sin, g, kc, vc, at):
        def rows(x, n):
            return add(flow.ReshapeOp(x, ["B", "S", n, d]))

        def normed(x):
            mean = add(flow.ReduceOp("mean", pw(add, "square", x), [3]))
            eps = add(flow.ConstantOp(1e-6, T([], "f32")))
            return pw(add, "mul", pw(add, "mul", x, pw(add, "rsqrt", pw(add, "add", mean, eps))), g)

        def store(cache, x):
            return add(flow.KVAppendOp(cache, add(flow.TransposeOp(x, [0, 2, 1, 3])), at, 2, in_place=True))

        q, k = (add(flow.RopeOp(normed(rows(x, n)), cos, sin, kind)) for x, n in ((q, heads), (k, kv)))
        return [add(flow.TransposeOp(q, [0, 2, 1, 3])), store(kc, k), store(vc, rows(v, kv))]

    outputs = [T(["B", heads, "S", d], "f32"), *(tensor_type(c) for c in caches)]
    results = gemm(f, a, weights, [cos, sin, norm, *caches, positions], outputs, body)
    check(f, *results, atol=1e-5)


def test_appends_write_the_argument():
    f = Function("main")
    a, cache = f.arg("a", [2, 1, 24]), f.arg("cache", [2, 3, 8, 16], "cache")
    at = f.arg("at", [1], dtype="i64", value=torch.tensor([5]))

    def body(add, x, cache, at):
        new = add(flow.TransposeOp(add(flow.ReshapeOp(x, [2, 1, 3, 16])), [0, 2, 1, 3]))
        return [add(flow.KVAppendOp(cache, new, at, 2, in_place=True))]

    (out,) = gemm(f, a, [f.weight("w", 48, 24)], [cache, at], [tensor_type(cache)], body)
    module = ModuleOp([f.finish(out)])
    wanted = run(module, f.args)[0]
    args = [x.clone() for x in f.args]
    (got,) = Runner(form(module), compute=torch.float32).call("main", args)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)
    assert got.data_ptr() == args[1].data_ptr()


def test_a_single_vector():
    f = Function("main")
    a, bias = f.arg("a", [70]), f.arg("bias", [40])
    (out,) = gemm(f, a, [f.weight("w", 40, 70)], [bias], [T([40], "f32")], lambda add, x, b: [pw(add, "add", x, b)])
    check(f, out)


def test_rows_that_are_a_transposed_view():
    f = Function("main")
    a = f.transpose(f.arg("a", [3, 4, 5, 16]), 0, 2, 1, 3)
    (out,) = gemm(f, f.reshape(a, 3, 5, 64), [f.weight("w", 33, 64)], [], [T([3, 5, 33], "f32")], lambda add, x: [x])
    runner = check(f, out)
    assert [name.split("_")[0] for name in runner.launched] == ["copy", "gemm"]


def test_a_sliced_input_and_a_broadcast_side_need_no_copy():
    f = Function("main")
    whole = f.arg("a", [3, 5, 96])
    a = f(flow.SliceOp(whole, [0, 1, 32], [3, 3, 64]))
    side = f.arg("side", [3, 1, 40])
    (out,) = gemm(
        f, a, [f.weight("w", 40, 64)], [side], [T([3, 3, 40], "f32")], lambda add, x, s: [pw(add, "mul", x, s)]
    )
    assert len(check(f, out).launched) == 1


def test_other_sizes_share_the_kernel():
    f = Function("main")
    w, results = f.weight("w", 48, 24), []
    for B, S in [(1, 1), (1, 40), (4, 1), (3, 7)]:
        a, side = f.arg("a", [B, S, 24]), f.arg("side", [B, S, 48])
        results += gemm(f, a, [w], [side], [T([B, S, 48], "f32")], lambda add, x, s: [pw(add, "add", x, s)])
    runner = check(f, *results)
    assert len(runner.launched) == 4
    assert len(set(runner.launched)) == 1


@pytest.mark.parametrize("kind", ["sum", "max"])
def test_a_reduction_over_all_columns_of_a_narrow_product(kind):
    f = Function("main")
    a = f.arg("a", [5, 24])

    def body(add, x):
        return [pw(add, "sub", x, add(flow.ReduceOp(kind, x, [1])))]

    (out,) = gemm(f, a, [f.weight("w", 40, 24)], [], [T([5, 40], "f32")], body)
    check(f, out)
