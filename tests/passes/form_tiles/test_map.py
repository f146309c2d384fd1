"""Map kernels against the float64 reference: pointwise, row reductions, statistics, indices, embeddings, appends."""

import pytest
import torch

from flow_models import Function
from tile_programs import check, map_
from warpweave.ir import flow
from warpweave.ir.types import TensorType, tensor_type

T = TensorType.of


def pw(add, kind, *inputs, dtype=None):
    op = flow.PointwiseOp(kind, list(inputs))
    return add(op if dtype is None else flow.PointwiseOp(kind, list(inputs), op.type.with_element(dtype)))


def number(add, value, dtype="f32"):
    return add(flow.ConstantOp(value, T([], dtype)))


@pytest.mark.parametrize("shape", [[3, 5, 64], [1, 1, 64], [7], [2, 1000], [5, 1], []])
def test_broadcast_pointwise(shape):
    f = Function("main")
    x, y = f.arg("x", shape), f.arg("y", shape[-1:])
    (out,) = map_(f, [x, y], [T(shape, "bf16")], lambda add, x, y: [pw(add, "silu", pw(add, "add", x, y))])
    check(f, out, atol=2e-2)


def softmax(add, x, axis):
    top = add(flow.ReduceOp("max", x, [axis]))
    e = pw(add, "exp", pw(add, "sub", x, top))
    return pw(add, "div", e, add(flow.ReduceOp("sum", e, [axis])))


@pytest.mark.parametrize("n", [1, 5, 64, 500, 513, 1100])
@pytest.mark.parametrize("symbolic", [False, True])
def test_softmax_and_a_row_result(n, symbolic):
    f = Function("main")
    last = "N" if symbolic else n
    x = f.arg("x", [3, 7, last], sizes={"N": n}, scale=5.0)

    def body(add, x):
        return [softmax(add, x, 2), add(flow.ReduceOp("min", x, [2]))]

    check(f, *map_(f, [x], [tensor_type(x), T([3, 7, 1], "f32")], body))


@pytest.mark.parametrize("n", [40, 64, 100, 640, 1000])
@pytest.mark.parametrize("kind", ["sumsq", "moments"])
def test_statistics_beside_a_result(n, kind):
    f = Function("main")
    x, y = f.arg("x", [2, 5, n]), f.arg("y", [2, 5, n])
    stats = flow.RowStatsOp.result_type(tensor_type(x), kind, 64)

    def body(add, x, y):
        z = pw(add, "add", x, y)
        return [z, add(flow.RowStatsOp(z, kind, 64))]

    z, s = map_(f, [x, y], [tensor_type(x), stats], body)

    def scaled(add, z, s):
        return [pw(add, "mul", z, add(flow.RowScaleOp(s, kind, n, 64, 1e-5)))]

    (out,) = map_(f, [z, s], [tensor_type(x)], scaled)
    check(f, z, s, out, atol=1e-4)


@pytest.mark.parametrize("kind", ["sum", "mean", "max", "min"])
@pytest.mark.parametrize("n", [33, 700])
def test_integer_reductions(kind, n):
    f = Function("main")
    x = f.arg("x", [4, n], dtype="i64", value=torch.randint(-(2**40), 2**40, (4, n), generator=f.generator))
    result = "f32" if kind == "mean" else "i64"
    (out,) = map_(f, [x], [T([4, 1], result)], lambda add, x: [add(flow.ReduceOp(kind, x, [1], result))])
    check(f, out)


def test_a_causal_mask_from_indices():
    f = Function("main")
    sizes = {"B": 2, "S": 6, "L": 9}
    valid = f.arg(
        "valid", ["B", "L"], dtype="i64", sizes=sizes, value=torch.randint(0, 2, (2, 9), generator=f.generator)
    )

    def body(add, valid):
        rows = add(flow.IotaOp(T(["S", 1], "i64"), 0, "L - S"))
        columns = add(flow.IotaOp(T([1, "L"], "i64"), 1))
        seen = pw(add, "le", columns, rows)
        kept = add(flow.CastOp(add(flow.ReshapeOp(valid, ["B", 1, 1, "L"])), "i1"))
        even = pw(add, "eq", pw(add, "mod", columns, number(add, 2, "i64")), number(add, 0, "i64"))
        return [pw(add, "and", pw(add, "or", seen, even), kept)]

    other = f.arg("x", ["S"], sizes=sizes)
    (mask,) = map_(f, [valid], [T(["B", 1, "S", "L"], "i1")], body)
    runner = check(f, mask, other)
    assert len(runner.launched) == 1


def test_indices_of_the_inner_and_the_outer_rows():
    f = Function("main")
    x = f.arg("x", ["B", "S", 3, 8], sizes={"B": 2, "S": 5})

    def body(add, x):
        total = add(flow.CastOp(add(flow.DimValueOp("B*S")), "f32"))
        for axis, size in enumerate(["B", "S", 3, 8]):
            shape = [1] * 4
            shape[axis] = size
            total = pw(add, "add", total, add(flow.CastOp(add(flow.IotaOp(T(shape, "i64"), axis, 1, 10**axis)), "f32")))
        return [pw(add, "add", x, total)]

    check(f, *map_(f, [x], [tensor_type(x)], body))


def test_wide_integers_and_where():
    f = Function("main")
    x = f.arg("x", [3, 5], dtype="i64", value=torch.randint(-5, 5, (3, 5), generator=f.generator))

    def body(add, x):
        big = number(add, 2**62 + 12345, "i64")
        low = number(add, -(2**63), "i64")
        picked = pw(add, "where", pw(add, "gt", x, number(add, 0, "i64")), big, low)
        return [
            picked,
            pw(add, "not", add(flow.CastOp(x, "i1"))),
            pw(add, "div", x, number(add, 4, "i64"), dtype="f32"),
        ]

    check(f, *map_(f, [x], [T([3, 5], "i64"), T([3, 5], "i1"), T([3, 5], "f32")], body))


@pytest.mark.parametrize("shape", [["B", "S"], [1, "S"], ["S"]])
def test_embeddings(shape):
    f = Function("main")
    sizes = {"B": 2, "S": 5}
    concrete = [sizes.get(n, n) for n in shape]
    ids = f.arg("ids", ["B", "S"], dtype="i64", sizes=sizes, value=torch.randint(0, 20, (2, 5), generator=f.generator))
    at = f.arg("at", shape, dtype="i64", sizes=sizes, value=torch.randint(0, 9, concrete, generator=f.generator))
    words, places = f.arg("words", [20, 40], "weight"), f.arg("places", [9, 40], "weight")

    def body(add, ids, at, words, places):
        return [pw(add, "add", add(flow.EmbeddingOp(ids, words)), add(flow.EmbeddingOp(at, places)))]

    check(f, *map_(f, [ids, at, words, places], [T(["B", "S", 40], "f32")], body))


@pytest.mark.parametrize("d", [16, 80])
def test_rope_and_appends(d):
    f = Function("main")
    sizes = {"B": 2, "S": 3, "L": 7}
    x = f.arg("x", ["B", "S", 2, d], sizes=sizes)
    cos, sin = (f.arg(n, ["B", "S", d], sizes=sizes) for n in ("cos", "sin"))
    cache = f.arg("cache", ["B", 2, "L", d], "cache", sizes=sizes)
    at = f.arg("at", ["S"], dtype="i64", sizes=sizes, value=torch.tensor([4, 0, 6]))
    (turned,) = map_(f, [x, cos, sin], [tensor_type(x)], lambda add, *v: [add(flow.RopeOp(*v, "half"))])

    def body(add, x, cache, at):
        return [add(flow.KVAppendOp(cache, pw(add, "neg", x), at, 2, in_place=True))]

    (out,) = map_(f, [f.transpose(turned, 0, 2, 1, 3), cache, at], [tensor_type(cache)], body)
    check(f, turned, out)


def test_two_walks_in_one_kernel():
    f = Function("main")
    x, y = f.arg("x", [3, 8]), f.arg("y", [5])

    def body(add, x, y):
        return [pw(add, "neg", x), pw(add, "exp", y)]

    assert len(check(f, *map_(f, [x, y], [tensor_type(x), tensor_type(y)], body)).launched) == 1


def test_f64_stays_f64():
    f = Function("main", "f64")
    x = f.arg("x", [3, 700])
    check(f, *map_(f, [x], [tensor_type(x)], lambda add, x: [softmax(add, x, 1)]), atol=1e-15)


def test_positions_of_any_length_share_a_kernel():
    f = Function("main")
    results = []
    for n in (1, 7, 300):
        x = f.arg("x", [2, n], dtype="i64", value=torch.randint(0, 9, (2, n), generator=f.generator))
        results += map_(f, [x], [tensor_type(x)], lambda add, x: [pw(add, "add", x, number(add, 3, "i64"))])
    assert len(set(check(f, *results).launched)) == 1
