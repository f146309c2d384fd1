"""The twin's engines alone: products of every type and swizzle, copies of every rank, order between blocks."""

import itertools
import re

import ml_dtypes  # noqa: F401  (its types by name, to numpy)
import msgspec
import numpy as np
import pytest

from cuda_compiled import needs_nvrtc
from emulated import source
from warpweave.backends.cuda.compile import build
from warpweave.backends.cuda.emulate import EmulatedKernel, schedules
from warpweave.backends.cuda.source import HEADERS, MapParameter, PointerParameter
from warpweave.runtime.cuda.tensor_maps import MapShape, refusal

TYPES = {"bf16": "bfloat16", "f16": "float16", "e4m3": "float8_e4m3fn", "e5m2": "float8_e5m2", "s8": "int8"}
BYTES = {"bf16": 2, "f16": 2, "e4m3": 1, "e5m2": 1, "s8": 1}
SUMS = {"s8": ("int", "int32")}
"""Of integers, as C++ and numpy name them; of all others fp32."""


PRODUCT = """
constexpr ww::Swizzle kSwizzle = ww::Swizzle::bytes%(span)d;
constexpr uint32_t kRow = %(span)d, kPanels = %(panels)d, kPanel = %(rows)d * kRow, kOperand = kPanels * kPanel;
extern "C" WW_KERNEL(128, 1) k(WW_TENSOR_MAP(a_map), WW_TENSOR_MAP(b_map), %(sum)s* out) {
  const uint32_t a = ww::shared_memory(), b = a + kOperand, arrived = b + kOperand;
  const int thread = ww::thread_index();
  if (thread == 0) { ww::mbarrier_init(arrived, 1); ww::fence_mbarrier_init(); }
  ww::block_sync();
  if (ww::warp_index() == 0 && ww::elect_one()) {
    ww::mbarrier_arrive_expect(arrived, 2 * kOperand);
    for (int p = 0; p < int(kPanels); ++p) {
      ww::tma_load(a + p * kPanel, &a_map, arrived, p * int(kRow) / %(bytes)d, 0);
      ww::tma_load(b + p * kPanel, &b_map, arrived, p * int(kRow) / %(bytes)d, 0);
    }
  }
  ww::mbarrier_wait(arrived, 0);
  %(sum)s sum[32];
  ww::wgmma_fence();
  %(products)s
  ww::wgmma_commit();
  ww::wgmma_wait<0>();
  WW_UNROLL
  for (int i = 0; i < 32; ++i)
    ww::store_global(out + ww::accumulator_row(thread, i) * 64 + ww::accumulator_column(thread, i), sum[i]);
}
"""
K_MAJOR = """WW_UNROLL
  for (uint32_t k = 0; k < kRow; k += 32)
    ww::wgmma<ww::%s, 64>(sum, ww::k_major(kSwizzle, a + k), ww::k_major(kSwizzle, b + k), k > 0);"""
MN_MAJOR = """ww::wgmma<ww::%s, 64, ww::Major::mn, ww::Major::mn>(
      sum, ww::mn_major(kSwizzle, a, kPanel), ww::mn_major(kSwizzle, b, kPanel), false);"""


def product(type_, span, mn_major=False):
    """A 64x64 product; its operands are [64, k], or [16, 64] where rows run along m and n."""
    size = BYTES[type_]
    shape, rows = ((16, 64), 16) if mn_major else ((64, span // size), 64)
    panels = 64 * size // span if mn_major else 1
    products = (MN_MAJOR if mn_major else K_MAJOR) % type_
    sums, held = SUMS.get(type_, ("float", "float32"))
    text = PRODUCT % {
        "span": span, "panels": panels, "rows": rows, "bytes": size, "products": products, "sum": sums,
    }  # fmt: skip
    buffers = (*((name, TYPES[type_], shape, False) for name in "ab"), ("out", held, (64, 64), True))
    box = (rows, span // size)
    return source(
        text, buffers, (MapParameter("a", box, span), MapParameter("b", box, span), PointerParameter("out"))
    ), shape


CASES = [
    *((t, s, False) for t, s in itertools.product(TYPES, (32, 64, 128))),
    *((t, s, True) for t in ("bf16", "f16") for s in (32, 64, 128)),
]


@pytest.mark.parametrize(("type_", "span", "mn_major"), CASES)
def test_products_are_exact_on_small_integers(type_, span, mn_major):
    kernel, shape = product(type_, span, mn_major)
    generator = np.random.default_rng(span)
    a, b = (generator.integers(-3, 4, shape).astype(np.dtype(TYPES[type_])) for _ in "ab")
    out = np.full((64, 64), -(2**30), SUMS.get(type_, ("float", "float32"))[1])
    emulation = EmulatedKernel(kernel).run({"a": a, "b": b, "out": out}, {}, schedule="random")
    assert emulation.findings == ()
    left, right = (x.astype(float).T if mn_major else x.astype(float) for x in (a, b))
    assert (out == left @ right.T).all()


def test_sums_of_8_bit_integers_are_exact_beyond_24_bits_and_wrap():
    kernel, shape = product("s8", 128)
    text = kernel.text.replace("k > 0", "true").replace(
        "int sum[32];", "int sum[32]; for (int& s : sum) s = 2147480000;"
    )
    kernel = msgspec.structs.replace(kernel, text=text)
    a, b = np.full(shape, 127, np.int8), np.full(shape, 127, np.int8)
    b[1:] = -128
    out = np.zeros((64, 64), np.int32)
    assert EmulatedKernel(kernel).run({"a": a, "b": b, "out": out}, {}).findings == ()
    exact = 2147480000 + a.astype(np.int64) @ b.astype(np.int64).T
    assert (exact[:, 0] > 2**31).all()
    assert (out == exact.astype(np.int32)).all()


SHAPES = """
template <class T, int N, class Sum> WW_DEVICE void one(Sum* out, uint64_t a, uint64_t b) {
  Sum sum[N / 2];
  ww::wgmma_fence();
  ww::wgmma<T, N>(sum, a, b, false);
  ww::wgmma_commit();
  ww::wgmma_wait<0>();
  WW_UNROLL
  for (int i = 0; i < N / 2; ++i) ww::store_global(out + i * 128 + ww::thread_index(), sum[i]);
}
extern "C" WW_KERNEL(128, 1) k(float* out, int* whole) {
  const uint64_t a = ww::k_major(ww::Swizzle::bytes128, ww::shared_memory()), b = a + 1024;
  %s
}
"""


@needs_nvrtc
def test_every_shape_and_type_assembles():
    calls = " ".join(
        f"one<ww::{t}, {n}>({'whole' if t in SUMS else 'out'}, a, b);" for t in TYPES for n in (64, 96, 128, 192, 256)
    )
    buffers = (("out", "float32", (16384,), True), ("whole", "int32", (16384,), True))
    (kernel,) = build([source(SHAPES % calls, buffers, (PointerParameter("out"), PointerParameter("whole")))])
    assert [kernel.resources.opcodes[name] for name in ("HGMMA", "QGMMA", "IGMMA")] == [10, 10, 5]


MOVE = """
extern "C" WW_KERNEL(32, 1) k(WW_TENSOR_MAP(from), WW_TENSOR_MAP(to)) {
  const uint32_t box = ww::shared_memory(), arrived = box + 4096;
  if (ww::elect_one()) {
    ww::mbarrier_init(arrived, 1);
    ww::fence_mbarrier_init();
    ww::mbarrier_arrive_expect(arrived, %(bytes)d);
    ww::tma_load(box, &from, arrived, %(at)s);
    ww::mbarrier_wait(arrived, 0);
    ww::tma_store(&to, box, %(at)s);
    ww::tma_store_commit();
    ww::tma_store_wait<0>();
  }
}
"""


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_a_box_over_every_edge_moves_only_what_is_inside(rank):
    shape, box = (3, 5, 4, 24)[-rank:], (2, 4, 3, 16)[-rank:]
    first = [s - b + 1 for s, b in zip(shape, box, strict=True)]  # one beyond the end in every dim
    text = MOVE % {"bytes": int(np.prod(box)) * 2, "at": ", ".join(map(str, reversed(first)))}
    buffers = (("from", "float16", shape, False), ("to", "float16", shape, True))
    kernel = source(text, buffers, (MapParameter("from", box, 32), MapParameter("to", box, 32)), threads=32)
    given = np.arange(np.prod(shape), dtype=np.float16).reshape(shape)
    to = np.full(shape, -1, np.float16)
    assert EmulatedKernel(kernel).run({"from": given, "to": to}, {}).findings == ()
    inside = tuple(slice(f, None) for f in first)
    expected = np.full(shape, -1, np.float16)
    expected[inside] = given[inside]
    assert (to == expected).all()


@pytest.mark.parametrize(("fence", "kinds"), [("", {"missing-proxy-fence"}), ("ww::fence_proxy_async();", set())])
def test_a_copy_over_what_a_thread_has_written_needs_a_fence(fence, kinds):
    text = MOVE % {"bytes": 128, "at": "0, 0"}
    text = text.replace("    ww::mbarrier_init", f"    ww::store_shared(box, 1.0f); {fence}\n    ww::mbarrier_init")
    buffers = (("from", "float16", (4, 16), False), ("to", "float16", (4, 16), True))
    maps = (MapParameter("from", (4, 16), 32), MapParameter("to", (4, 16), 32))
    arrays = {"from": np.ones((4, 16), np.float16), "to": np.zeros((4, 16), np.float16)}
    found = EmulatedKernel(source(text, buffers, maps, threads=32)).run(arrays, {}).findings
    assert {finding.kind for finding in found} == kinds


@pytest.mark.parametrize(
    ("shape", "box", "swizzle", "why"),
    [
        ((4, 12), (4, 8), 0, "rows of 24 bytes, which are no multiple of 16"),
        ((4, 64), (4, 64), 64, "rows of a box of 128 bytes in a swizzle of 64"),
        ((512, 64), (300, 64), 128, "a box of 300 elements along a dim; 256 is the most"),
        ((64,), (64,), 128, "1 dims; 2 to 5 are supported"),
        ((4, 4, 64), (4, 64), 128, "a box of 2 dims for 3"),
    ],
)
def test_tensor_maps_keep_the_drivers_rules(shape, box, swizzle, why):
    strides = tuple(2 * int(np.prod(shape[d + 1 :])) for d in range(len(shape)))
    assert refusal(MapShape("float16", shape, strides, 0, box, swizzle), 0) == why


SPLIT = """
extern "C" WW_KERNEL(32, 1) k(const float* parts, float* partial, int* arrived, float* out) {
  const int lane = ww::lane_index(), at = ww::block_index() * 32 + lane;
  ww::store_global(partial + at, 2.0f * ww::load_constant(parts + at));
  ww::warp_sync();
  if (lane == 0) ww::store_shared(ww::shared_memory(), float(ww::atomic_add_ordered(arrived, 1)));
  ww::warp_sync();
  if (ww::load_shared<float>(ww::shared_memory()) != float(ww::block_count() - 1)) return;
  float sum = 0.0f;
  for (int b = 0; b < ww::block_count(); ++b) sum += ww::load_global(partial + b * 32 + lane);
  ww::store_global(out + lane, sum);
}
"""
SPLIT_BUFFERS = (
    ("parts", "float32", (4, 32), False),
    ("partial", "float32", (4, 32), True),
    ("arrived", "int32", (1,), True),
    ("out", "float32", (32,), True),
)


def split(text):
    kernel = source(
        text,
        SPLIT_BUFFERS,
        [PointerParameter(b[0]) for b in SPLIT_BUFFERS],
        threads=32,
        grid="4",
        target="sm_80",
        shared=64,
    )
    parts = np.arange(128, dtype=np.float32).reshape(4, 32)
    arrays = {
        "parts": parts,
        "partial": np.zeros((4, 32), np.float32),
        "arrived": np.zeros(1, np.int32),
        "out": np.full(32, np.nan, np.float32),
    }
    return EmulatedKernel(kernel), arrays


def test_the_last_block_may_read_what_the_others_released():
    emulated, _ = split(SPLIT)
    for schedule in schedules():
        _, arrays = split(SPLIT)
        assert emulated.run(arrays, {}, schedule=schedule, seed=1).findings == ()
        assert (arrays["out"] == 2 * arrays["parts"].sum(0)).all()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(
            "  ww::warp_sync();\n  if (lane == 0)",
            "  if (lane == 0)",
            id="released before the other lanes have written",
        ),
        pytest.param("float(ww::block_count() - 1)) return;", "-1.0f) {}", id="every block reads"),
        pytest.param("ww::atomic_add_ordered(arrived, 1)", "ww::block_index()", id="nothing is released"),
    ],
)
def test_races_between_blocks_are_seen(old, new):
    assert old in SPLIT
    emulated, _ = split(SPLIT.replace(old, new))
    kinds = {
        f.kind
        for schedule in schedules()
        for f in emulated.run(split(SPLIT)[1], {}, schedule=schedule, seed=1).findings
    }
    assert kinds == {"global-race"}


def test_a_block_waits_for_another_ones_flag():
    text = """
extern "C" WW_KERNEL(32, 1) k(float* value, int* ready, float* out) {
  if (ww::lane_index()) return;
  if (ww::block_index() == 1) { ww::store_global(value, 7.0f); ww::store_release(ready, 1); return; }
  ww::wait_for(ready, 1);
  ww::store_global(out, ww::load_global(value));
}
"""
    buffers = (("value", "float32", (1,), True), ("ready", "int32", (1,), True), ("out", "float32", (1,), True))
    kernel = EmulatedKernel(
        source(text, buffers, [PointerParameter(b[0]) for b in buffers], threads=32, grid="2", shared=0)
    )
    for schedule in schedules():
        arrays = {"value": np.zeros(1, np.float32), "ready": np.zeros(1, np.int32), "out": np.zeros(1, np.float32)}
        assert kernel.run(arrays, {}, schedule=schedule).findings == ()
        assert arrays["out"][0] == 7


NAME = re.compile(
    r"^(?:template <[^>]*> )?(?:inline |WW_DEVICE |static )*(?:constexpr )?(?:[\w:<>]+[ *&]+)(\w+)\(", re.MULTILINE
)


def names(*paths):
    return {name for path in paths for name in NAME.findall((HEADERS / path).read_text())} - {"defined"}


def test_device_and_twin_have_the_same_primitives():
    device = {f"device/{p.name}" for p in (HEADERS / "device").glob("*.h")}
    theirs = names(*device)
    ours = names("twin/primitives.h")
    private = {
        name
        for name in ours
        if re.search(
            rf"namespace twin {{.*\b{name}\(.*}}  // namespace twin",
            (HEADERS / "twin/primitives.h").read_text(),
            re.DOTALL,
        )
    }
    assert len(theirs) > 40
    assert theirs - ours == set()
    assert ours - theirs - private == set()


ARRIVALS = """
extern "C" WW_KERNEL(64, 1) k(const float* x, float* out) {
  const uint32_t tile = ww::shared_memory(), full = tile + 64 * %(width)d;
  const int thread = ww::thread_index(), other = 63 - thread;
  if (thread == 0) ww::mbarrier_init(full, 64);
  ww::block_sync();
  for (int n = 0; n < 3; ++n) {
    %(fill)s
    ww::mbarrier_wait(full, n %% 2);
    WW_UNROLL
    for (int i = 0; i < %(width)d; i += 4)
      ww::store_global(out + (n * 64 + thread) * %(items)d + i / 4, ww::load_shared<float>(tile + other * %(width)d + i));
    ww::block_sync();
  }
}
"""
COPY = (
    "ww::copy_async<%(width)d>(tile + thread * %(width)d, x + (n * 64 + thread) * %(items)d, n == 2 ? 4 : %(width)d);"
)
ARRIVE = "ww::copy_async_arrive(full);"


def arrivals(fill, width):
    """64 threads copy a piece each, three times over; each reads another's as soon as the barrier says that all are there."""
    items = width // 4
    text = ARRIVALS % {"width": width, "items": items, "fill": fill % {"width": width, "items": items}}
    buffers = (("x", "float32", (192 * items,), False), ("out", "float32", (192 * items,), True))
    return source(text, buffers, (PointerParameter("x"), PointerParameter("out")), threads=64, target="sm_80")


@pytest.mark.parametrize("width", [4, 8, 16])
def test_an_arrival_comes_after_the_copies_before_it(width):
    kernel, items = EmulatedKernel(arrivals(COPY + ARRIVE, width)), width // 4
    given = np.arange(192 * items, dtype=np.float32) + 1
    wanted = given.reshape(3, 64, items)[:, ::-1].copy()
    wanted[2, :, 1:] = 0  # the rest of a short copy
    for seed, schedule in enumerate(schedules()):
        out = np.full(192 * items, np.nan, np.float32)
        assert kernel.run({"x": given, "out": out}, {}, schedule=schedule, seed=seed).findings == ()
        assert (out.reshape(3, 64, items) == wanted).all()


@pytest.mark.parametrize(
    ("fill", "kinds"),
    [
        (ARRIVE + COPY, {"race-read-after-write", "uninitialised-read"}),
        (COPY + "ww::mbarrier_arrive(full);", {"race-read-after-write", "uninitialised-read"}),
        (COPY + ARRIVE + ARRIVE, {"race-read-after-write"}),
        (COPY + "if (thread < 63) " + ARRIVE, {"deadlock"}),
    ],
    ids=["before the copies", "not after the copies", "twice", "not by all"],
)
def test_wrong_arrivals_are_found(fill, kinds):
    kernel = EmulatedKernel(arrivals(fill, 16))
    arrays = {"x": np.zeros(768, np.float32), "out": np.zeros(768, np.float32)}
    found = {f.kind for schedule in schedules() for f in kernel.run(arrays, {}, schedule=schedule, seed=1).findings}
    assert found & kinds
