"""Attention kernels against the float64 reference: every modifier, ragged sizes, head dims, layouts."""

import math

import pytest
import torch

from flow_models import Function
from tile_programs import check, kernel
from warpweave.ir import flow, fused
from warpweave.ir.dims import Dim
from warpweave.passes.form_tiles.attention import split


def attention(f, q, k, v, **options):
    op = flow.AttentionOp(q, k, v, options.pop("scale", 1 / math.sqrt(16)), **options)
    made = fused.AttentionKernelOp.of(op)
    return kernel(f, made)


def heads(f, B=2, S=7, L=None, H=4, Hkv=2, d=16, dv=None, dtype="f32"):
    L = L or S
    sizes = {"B": B, "S": S, "L": L}
    return (
        f.arg("q", ["B", "S", H, d], sizes=sizes, dtype=dtype),
        f.arg("k", ["B", "L", Hkv, d], sizes=sizes, dtype=dtype),
        f.arg("v", ["B", "L", Hkv, dv or d], sizes=sizes, dtype=dtype),
    )


OPTIONS = {
    "plain": {},
    "causal": {"causal": True},
    "offset": {"causal": True, "offset": "L - S"},
    "window": {"causal": True, "window": 9, "offset": "L - S"},
    "window_alone": {"window": 5},
    "softcap": {"softcap": 3.0, "causal": True},
    "large_scores": {"scale": 40.0, "causal": True, "offset": "L - S"},
    "negative_offset": {"causal": True, "offset": "-3"},
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(("S", "L", "H", "Hkv"), [(7, 7, 4, 2), (33, 130, 3, 3), (1, 70, 8, 1)])
def test_modifiers(name, S, L, H, Hkv):
    f = Function("main")
    check(f, attention(f, *heads(f, S=S, L=L, H=H, Hkv=Hkv), **OPTIONS[name]))


@pytest.mark.parametrize("window", [1, 63, 64, 65, 127, 128, 150, 10**4])
@pytest.mark.parametrize(("S", "L", "H", "causal"), [(200, 200, 2, True), (90, 300, 6, True), (130, 200, 2, False)])
def test_blocks_inside_a_window_take_no_mask(window, S, L, H, causal):
    """(H / 2 heads share one: rows of a tile are fewer queries than that.) Blocks at both edges do."""
    f = Function("main")
    q, k, v = heads(f, B=1, S=S, L=L, H=H, d=8)
    runner = check(f, attention(f, q, k, v, causal=causal, window=window, offset="L - S", softcap=9.0))
    loops = [op for op in runner.module.walk() if op.name == "scf.for"]
    assert len(loops) == 3


@pytest.mark.parametrize("start", [0, 5, 66, 10**6, -3, -(10**6)])
@pytest.mark.parametrize(("queries", "options"), [(7, {}), (1, {}), (9, {"window": 6}), (5, {"offset": 2})])
def test_a_start_that_is_read_when_the_kernel_runs(start, queries, options):
    f = Function("main")
    q, k, v = heads(f, S=queries, L=70)
    number = f.arg("start", [], dtype="i64", value=torch.tensor(start))
    runner = check(f, attention(f, q, k, v, causal=True, start=number, **options))
    assert len(runner.launched) == 1


@pytest.mark.parametrize("d", [32, 64, 80, 96, 128])
def test_head_dims(d):
    f = Function("main")
    check(f, attention(f, *heads(f, B=1, S=5, d=d, dv=d - 16), causal=True))


@pytest.mark.parametrize("kind", ["i1", "f32"])
@pytest.mark.parametrize(
    "shape", [["B", 1, "S", "L"], [1, 1, "S", "L"], ["B", 4, "S", "L"], ["B", 1, 1, "L"], ["S", "L"]]
)
def test_masks(kind, shape):
    f = Function("main")
    sizes = {"B": 2, "S": 5, "L": 70}
    q, k, v = heads(f, S=5, L=70)
    concrete = [sizes.get(n, n) for n in shape]
    value = torch.rand(concrete, generator=f.generator) > 0.4
    if len(shape) == 4 and shape[2] == "S":
        value[:, :, 2] = False  # a query that sees nothing gives 0
    if kind == "f32":
        value = torch.where(value, torch.randn(concrete, generator=f.generator), -math.inf)
    mask = f.arg("mask", shape, dtype=kind, sizes=sizes, value=value)
    check(f, attention(f, q, k, v, mask=mask))


@pytest.mark.parametrize("softcap", [None, 5.0])
def test_sinks(softcap):
    f = Function("main")
    q, k, v = heads(f, S=9)
    sinks = f.arg("sinks", [4])
    check(f, attention(f, q, k, v, sinks=sinks, causal=True, offset=-2, softcap=softcap))


def test_a_cache_in_head_major_order_is_read_in_place():
    f = Function("main")
    sizes = {"B": 2, "S": 1, "L": 70}
    q = f.arg("q", ["B", "S", 4, 16], sizes=sizes)
    k, v = (f.transpose(f.arg(n, ["B", 2, "L", 16], sizes=sizes), 0, 2, 1, 3) for n in "kv")
    runner = check(f, attention(f, q, k, v))
    assert len(runner.launched) == 1


def test_f64():
    f = Function("main", "f64")
    check(f, attention(f, *heads(f, dtype="f64"), causal=True), atol=1e-12)


def test_static_sizes_and_layers_share_a_kernel():
    f = Function("main")
    results = []
    for B, S, L in [(2, 40, 40), (3, 50, 60)]:
        q = f.arg("q", [B, S, 4, 16])
        k, v = (f.arg(n, [B, L, 2, 16]) for n in "kv")
        results.append(attention(f, q, k, v, causal=True))
    runner = check(f, *results)
    assert len(set(runner.launched)) == 1


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize(("queries", "L", "Hkv"), [(1, 700, 1), (3, 520, 3), (1, 40, 1)])
@pytest.mark.parametrize("options", [{}, {"causal": True, "window": 300}, {"softcap": 3.0}], ids=str)
def test_keys_split_over_threads(threads, queries, L, Hkv, options):
    f = Function("main")
    q, k, v = (
        f.arg(name, ["B", n, heads, 16], sizes={"B": 1, "L": L})
        for name, n, heads in (("q", queries, 6), ("k", "L", Hkv), ("v", "L", Hkv))
    )
    if "causal" in options:
        options = {**options, "offset": f"L - {queries}"}
    sinks = f.arg("sinks", [6])
    module = check(f, attention(f, q, k, v, sinks=sinks, **options), symbols={"num_threads": threads})
    assert len(module.launched) == 1


@pytest.mark.parametrize("start", [0, 1, 127, 128, 500, 699])
def test_only_keys_that_are_seen_are_split(start):
    f = Function("main")
    q = f.arg("q", [1, 1, 4, 16])
    k, v = (f.arg(name, [1, 700, 1, 16]) for name in ("k", "v"))
    number = f.arg("start", [], dtype="i64", value=torch.tensor(start))
    check(f, attention(f, q, k, v, causal=True, start=number), symbols={"num_threads": 5})


@pytest.mark.parametrize(
    ("heads", "keys", "threads", "expected"),
    [
        (4, 4096, 2, 1),
        (1, 4096, 2, 2),
        (3, 4096, 2, 2),
        (9, 4096, 2, 1),
        (8, 4096, 64, 32),
        (8, 100, 64, 1),
        (1, 4096, 1, 1),
    ],
)
def test_into_how_many_parts(heads, keys, threads, expected):
    dim = split.parts(Dim.of("B") * heads, Dim.of("L"), 64, None)
    assert dim.evaluate({"B": 1, "L": keys, "num_threads": threads}) == expected


@pytest.mark.parametrize(("keys", "expected"), [(0, 1), (255, 1), (256, 2), (4096, 32), (100_000, 32)])
def test_into_how_many_parts_by_the_keys_alone(keys, expected):
    dim = split.parts(Dim.of("B"), Dim.of("L"), 64, 32)
    assert dim.symbols == {"L"}
    assert dim.evaluate({"L": keys}) == expected
