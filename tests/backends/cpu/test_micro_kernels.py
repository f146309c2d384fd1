"""The C++ support headers of the CPU backend: numbers against float64, on every instruction set this machine runs."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from warpweave.backends.cpu.blocking import blocking
from warpweave.backends.cpu.pack import PackedLayout
from warpweave.backends.cpu.pack import pack as pack_weight
from warpweave.runtime.native_code import WwLaunch

torch = pytest.importorskip("torch")
F = torch.nn.functional
Tensor = Any

INCLUDE = Path(__file__).parents[3] / "backends" / "cpu" / "include"
WW_RUN = Path(__file__).parents[3] / "runtime" / "native" / "ww_run.cpp"
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
COMPILE = ["g++", "-std=c++17", "-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fPIC", *WARNINGS]
AVX512 = "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512"
PRODUCTS = AVX512 + " -mavx512bf16 -mavx512vnni"
ISA_FLAGS = {
    "PORTABLE": ("", ()),
    "AVX2": ("-mavx2 -mfma -mf16c", ("avx2", "fma", "f16c")),
    "AVX512_BF16": (PRODUCTS, ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16", "avx512_vnni")),
    "AVX512": (AVX512, ("avx512f", "avx512bw", "avx512dq", "avx512vl")),
    "AMX": (PRODUCTS + " -mamx-tile -mamx-bf16 -mamx-int8", ("amx_tile", "amx_bf16", "amx_int8", "avx512_vnni")),
}
C_TYPE = {torch.float32: "float", torch.bfloat16: "ww::bf16", torch.float16: "ww::f16"}


@cache
def cpu_flags() -> frozenset[str]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return frozenset(next((line.split(":")[1].split() for line in lines if line.startswith("flags")), []))


ISAS = [isa for isa, (_, needed) in ISA_FLAGS.items() if cpu_flags() >= set(needed)]
VECTOR_ISAS = [isa for isa in ISAS if isa not in ("AMX", "AVX512_BF16")]  # the others have their vectors of AVX-512


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ctypes.CDLL]:
    """Compiles C++ source for an ISA into a shared library, once for each distinct source."""
    folder = tmp_path_factory.mktemp("kernels")

    @cache
    def compile_source(source: str, isa: str, defines: tuple[str, ...] = ()) -> ctypes.CDLL:
        path = folder / f"k{len(list(folder.iterdir()))}.cpp"
        path.write_text(source)
        flags = [f"-DWW_ISA_{isa}=1", *(f"-D{d}" for d in defines), *ISA_FLAGS[isa][0].split(), f"-I{INCLUDE}"]
        subprocess.run([*COMPILE, "-shared", *flags, str(path), "-o", str(path.with_suffix(".so"))], check=True)
        return ctypes.CDLL(str(path.with_suffix(".so")))

    return compile_source


def pointer(t: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(t.data_ptr())


def call(function: Any, *args: Any) -> None:
    function(*(pointer(a) if isinstance(a, torch.Tensor) else ctypes.c_int64(a) for a in args))


def aligned_bytes(n: int) -> Tensor:
    raw = torch.full((n + 64,), 0xFF, dtype=torch.uint8)  # NaN everywhere: nothing may be read before it is written
    return raw[-raw.data_ptr() % 64 :][:n]


# ---- types and mathematics --------------------------------------------------------------------------------------


UNARY: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "exp": (torch.exp, 1.6), "exp2": (torch.exp2, 1.6), "log": (torch.log, 1.6), "sqrt": (torch.sqrt, 0.51),
    "rsqrt": (torch.rsqrt, 1.6), "sin": (torch.sin, 1.6), "cos": (torch.cos, 1.6), "tanh": (torch.tanh, 1.6),
    "erf": (torch.erf, 1.6), "sigmoid": (torch.sigmoid, 2.5), "silu": (F.silu, 2.5), "softplus": (F.softplus, 1.6),
    "softmax_exp2": (torch.exp2, 1.4), "gelu": (F.gelu, 0), "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), 0),
    "floor": (torch.floor, 0), "ceil": (torch.ceil, 0), "trunc": (torch.trunc, 0), "round": (torch.round, 0),
    "sign": (torch.sign, 0), "abs": (torch.abs, 0),
}  # fmt: skip
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "max": torch.maximum, "min": torch.minimum, "mod": torch.remainder,
    "floor_div": lambda a, b: torch.div(a, b, rounding_mode="floor"),
}  # fmt: skip
POSITIVE = [0.0, 1.0, 2.0, 0.5, 3.0, 1e38, 16777216.0, float("inf")]
SPECIAL = [*POSITIVE, *(-v for v in POSITIVE), float("nan")]


def math_source() -> str:
    loop = "for (int64_t i = 0; i < n; ++i)"
    lines = [f"void f_{f}(int64_t n, const float* a, float* o) {{ {loop} o[i] = ww::{f}(a[i]); }}" for f in UNARY]
    lines += [
        f"void f_{f}(int64_t n, const float* a, const float* b, float* o) {{ {loop} o[i] = ww::{f}(a[i], b[i]); }}"
        for f in [*BINARY, "pow"]
    ]
    for t in ("bf16", "f16"):
        lines.append(f"void to_{t}(int64_t n, const float* a, ww::{t}* o) {{ {loop} ww::store(o + i, a[i]); }}")
        lines.append(f"void from_{t}(int64_t n, const ww::{t}* a, float* o) {{ {loop} o[i] = ww::load_f32(a + i); }}")
    return '#include "ww.h"\nextern "C" {\n' + "\n".join(lines) + "\n}\n"


def sample_floats() -> Tensor:
    patterns = torch.arange(-(2**31), 2**31, 20011, dtype=torch.int64).to(torch.int32).view(torch.float32)
    edges = torch.tensor([*SPECIAL, 1e-42, -1e-42])
    return torch.cat([edges, patterns, torch.linspace(-110, 100, 50001), torch.linspace(-4, 4, 50001)])


def ulp_error(got: Tensor, want: Tensor) -> Tensor:
    """|got - want| in float32 ulp of `want`; 0 where they agree as float32, inf where one of them is NaN."""
    exponent = torch.frexp(want.abs().clamp(2.0**-126, 3.4e38)).exponent.double()
    error = (got.double() - want).abs() / torch.exp2(exponent - 24)
    same = (got == want.float()) | (got.isnan() & want.isnan())
    return torch.where(same, 0.0, torch.where(error.isnan(), torch.inf, error))


@pytest.mark.parametrize("isa", VECTOR_ISAS)
@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_are_within_their_stated_errors(build: Callable[..., ctypes.CDLL], isa: str, name: str) -> None:
    reference, bound = UNARY[name]
    x = sample_floats()
    if name in ("sin", "cos"):
        x = torch.cat([x[(x.abs() <= 1e6) | ~x.isfinite()], torch.arange(0, 200000.0)])
    if name == "softmax_exp2":
        x = x[(x <= 0) | x.isnan()]
    got = torch.empty_like(x)
    call(build(math_source(), isa)[f"f_{name}"], len(x), x, got)
    want = reference(x.double())
    error = ulp_error(got, want)
    if name in ("gelu", "gelu_tanh"):
        close = (got.double() - want).abs() <= x.double().abs() * 2.0**-23
        error = torch.where(close | (x == -torch.inf), 0.0, error)
    if name in ("sigmoid", "silu"):
        error = torch.where((got.double() - want).abs() <= 4e-37, 0.0, error)
    if name == "softmax_exp2":
        error = torch.where((got.double() - want).abs() <= 2.0**-126, 0.0, error)
    worst = int(error.argmax())
    assert error[worst] <= bound, f"{name}({x[worst]}) = {got[worst]}, exact {want[worst]}: {error[worst]} ulp"


@pytest.mark.parametrize("isa", VECTOR_ISAS)
def test_binary_functions_follow_torch(build: Callable[..., ctypes.CDLL], isa: str) -> None:
    torch.manual_seed(0)
    grid = torch.cartesian_prod(torch.tensor(SPECIAL), torch.tensor(SPECIAL))
    a, b = (torch.cat([grid[:, i], torch.randn(20000) * 10]).contiguous() for i in (0, 1))
    got = torch.empty_like(a)
    library = build(math_source(), isa)
    for name, reference in BINARY.items():
        call(library[f"f_{name}"], len(a), a, b, got)
        torch.testing.assert_close(got, reference(a, b), rtol=0, atol=0, equal_nan=True, msg=name)
    a[len(grid) :].abs_()
    call(library.f_pow, len(a), a, b, got)
    assert ulp_error(got, torch.pow(a.double(), b.double())).max() <= 0.51


@pytest.mark.parametrize("isa", VECTOR_ISAS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_conversions_are_those_of_torch(build: Callable[..., ctypes.CDLL], isa: str, dtype: Any) -> None:
    library, name = build(math_source(), isa), C_TYPE[dtype][4:]
    x = sample_floats()
    rounded = torch.empty(len(x), dtype=dtype)
    call(library[f"to_{name}"], len(x), x, rounded)
    torch.testing.assert_close(rounded, x.to(dtype), rtol=0, atol=0, equal_nan=True)
    every = torch.arange(-(2**15), 2**15).to(torch.int16).view(dtype)
    widened = torch.empty(2**16)
    call(library[f"from_{name}"], len(every), every, widened)
    torch.testing.assert_close(widened, every.float(), rtol=0, atol=0, equal_nan=True)


# ---- GEMM -------------------------------------------------------------------------------------------------------


def pack_panels(w: Tensor) -> Tensor:
    return F.pad(w, (0, 0, 0, -w.shape[0] % 32)).view(-1, 32, w.shape[1]).transpose(1, 2).contiguous()


def pack_vnni(w: Tensor) -> Tensor:
    padded = F.pad(w, (0, -w.shape[1] % 32, 0, -w.shape[0] % 32))
    return padded.view(-1, 2, 16, padded.shape[1] // 32, 16, 2).permute(0, 3, 1, 4, 2, 5).contiguous()


GEMM_SOURCE = """
#include "ww.h"
struct Output { float* p; int64_t n, tn; int32_t* count; };
using i64 = int64_t;
static void finish(const Output& o, i64 m0, i64 rows, i64 n0, i64 cols, const float* p, const float* q) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < o.tn; ++j) {
      const float v = q ? p[r * o.tn + j] * q[r * o.tn + j] : p[r * o.tn + j];
      if (j < cols) o.p[(m0 + r) * o.n + n0 + j] = v;
      else if (v != 0) o.p[0] = __builtin_nanf("");
    }
    o.count[m0 + r] += int32_t(cols);
  }
  if (rows > WW_TM || n0 % o.tn) o.p[0] = __builtin_nanf("");
}
extern "C" {
extern const int64_t k_scratch_bytes;
const int64_t k_scratch_bytes = ww::gemm_scratch_bytes@P(@K, @D, 96 * 2);
void k(void* const* bufs, const int64_t* dims, void* scratch, int tid, int nt) {
  const auto w = [&](int i) { return static_cast<const @W*>(bufs[i]); };
  auto* count = static_cast<int32_t*>(bufs[6]);
  const Output plain{static_cast<float*>(bufs[4]), @N, 64, count}, gated{static_cast<float*>(bufs[5]), @G, 96, count};
  ww::gemm<@K, @D>(dims[0], ww::rows(static_cast<const @A*>(bufs[0]), dims[1]), scratch, tid, nt,
    ww::segment<64>(@N, [&](int64_t m0, int64_t rows, int64_t n0, int64_t cols, const float* acc) {
      finish(plain, m0, rows, n0, cols, acc, nullptr);
    }, w(1)),
    ww::segment<96>(@G, [&](int64_t m0, int64_t rows, int64_t n0, int64_t cols, const float* gate, const float* up) {
      finish(gated, m0, rows, n0, cols, gate, up);
    }, w(2), w(3)));
}
}
"""


def gemm_source(a: str, w: str, k: int, n: int, n_gated: int) -> str:
    """n columns with TN 64 as they are, n_gated columns with TN 96 of gate * up; counts finished columns."""
    source = (
        GEMM_SOURCE.replace("@K", str(k))
        .replace("@D", str(blocking(k, 192, 1 << 20, 2 if w == "ww::bf16x2" else 1).depth))
        .replace("@P", f"<{w}>" if w == "ww::bf16x2" else "")
        .replace("@N", str(n))
        .replace("@G", str(n_gated))
    )
    return source.replace("@A", a).replace("@W", w)


def run_gemm(
    library: ctypes.CDLL, x: Tensor, packed: list[Tensor], n: int, n_gated: int, nt: int
) -> tuple[Tensor, Tensor]:
    """What the kernel of `gemm_source` gives, plain and gated; every tile is made exactly once."""
    m = len(x)
    plain, gated = torch.full((m, n), torch.nan), torch.full((m, n_gated), torch.nan)
    count = torch.zeros(m, dtype=torch.int32)
    tensors = [x, *packed, plain, gated, count]
    bufs = (ctypes.c_void_p * len(tensors))(*(t.data_ptr() for t in tensors))
    dims = (ctypes.c_int64 * 2)(m, x.stride(0))
    for tid in range(nt):
        scratch = aligned_bytes(ctypes.c_int64.in_dll(library, "k_scratch_bytes").value)
        library.k(bufs, dims, pointer(scratch), tid, nt)
    assert (count == n + n_gated).all(), "every tile exactly once"
    return plain, gated


def check_gemm(
    library: ctypes.CDLL, dtype: Any, pack: Callable[[Tensor], Tensor], shape: tuple[int, int, int], m: int, nt: int
) -> None:
    torch.manual_seed(m)
    n, n_gated, k = shape
    x = torch.randn(m, k + 8).to(dtype)[:, :k]
    weights = [torch.randn(size, k).to(dtype) for size in (n, n_gated, n_gated)]
    plain, gated = run_gemm(library, x, [*map(pack, weights)], n, n_gated, nt)
    wide, w0, gate, up = (t.double() for t in (x, *weights))
    tolerance = 8e-6 * k**0.5
    torch.testing.assert_close(plain.double(), wide @ w0.T, rtol=1e-5, atol=tolerance)
    torch.testing.assert_close(gated.double(), (wide @ gate.T) * (wide @ up.T), rtol=1e-4, atol=4 * tolerance * k**0.5)


GEMM_SHAPES = [(200, 100, 72), (31, 193, 1300)]  # n, n_gated, k
ROWS = [1, 3, 8, 9, 14, 23, 145, 230]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", C_TYPE)
@pytest.mark.parametrize("shape", GEMM_SHAPES)
def test_gemm(build: Callable[..., ctypes.CDLL], isa: str, dtype: Any, shape: tuple[int, int, int]) -> None:
    n, n_gated, k = shape
    library = build(gemm_source(C_TYPE[dtype], C_TYPE[dtype], k, n, n_gated), isa)
    for m in ROWS:
        for nt in (1, 2, 6):
            check_gemm(library, dtype, pack_panels, shape, m, nt)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shape", [*GEMM_SHAPES, (31, 193, 2051)])
def test_gemm_on_pairs(build: Callable[..., ctypes.CDLL], isa: str, shape: tuple[int, int, int]) -> None:
    """Panels of pairs of bf16: as one instruction where there is AVX-512 BF16, elsewhere as two products."""
    n, n_gated, k = shape
    library = build(gemm_source("ww::bf16", "ww::bf16x2", k, n, n_gated), isa)
    for m in ROWS:
        for nt in (1, 2, 6):
            check_gemm(library, torch.bfloat16, lambda w: pack_weight(w, "pairs"), shape, m, nt)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shape", GEMM_SHAPES)
def test_gemm_on_amx_tiles(build: Callable[..., ctypes.CDLL], isa: str, shape: tuple[int, int, int]) -> None:
    """The AMX kernels; on other instruction sets the tile instructions are emulated."""
    n, n_gated, k = shape
    defines = () if isa == "AMX" else ("WW_EMULATE_AMX",)
    library = build(gemm_source("ww::bf16", "ww::vnni", k, n, n_gated), isa, defines)
    for m in (1, 16, 17, 33, 130):
        for nt in (1, 3):
            check_gemm(library, torch.bfloat16, pack_vnni, shape, m, nt)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    ("layout", "c_type", "bound"),
    [("bf16x3", "ww::vnni3", 2**-16), ("bf16x1", "ww::vnni", 2**-7), ("bf16x1-pairs", "ww::bf16x2", 2**-7)],
)
def test_fp32_products_of_rounded_factors(
    build: Callable[..., ctypes.CDLL], isa: str, layout: PackedLayout, c_type: str, bound: float
) -> None:
    """Each product is within its stated relative error, which adds up to that of |a|.|w|^T, and not much better."""
    n, n_gated, k = 70, 33, 161
    defines = () if isa == "AMX" else ("WW_EMULATE_AMX",)
    library = build(gemm_source("float", c_type, k, n, n_gated), isa, defines)
    torch.manual_seed(0)
    x, weights = torch.randn(37, k), [torch.randn(size, k) for size in (n, n_gated, n_gated)]
    plain, _ = run_gemm(library, x, [pack_weight(w, layout) for w in weights], n, n_gated, 2)
    exact, scale = x.double() @ weights[0].double().T, x.double().abs() @ weights[0].double().abs().T
    error = ((plain.double() - exact).abs() / scale).max()
    assert bound / 200 < error <= bound


def test_amx_kernels_compile_everywhere(tmp_path: Path) -> None:
    source = tmp_path / "k.cpp"
    source.write_text(gemm_source("ww::bf16", "ww::vnni", 64, 64, 96))
    command = [*COMPILE, "-DWW_ISA_AMX=1", *ISA_FLAGS["AMX"][0].split(), f"-I{INCLUDE}", str(source), "-S", "-o", "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert text.count("tdpbf16ps") >= 6
    assert "ldtilecfg" in text
    assert "tilerelease" in text


# ---- attention tiles --------------------------------------------------------------------------------------------


DOT_SOURCE = """
#include "ww.h"
using T = @T;
using i64 = int64_t;
extern "C" {
void nt(i64 m, i64 n, i64 k, const float* a, const T* b, i64 ldb, float* c, i64 ldc, void* scratch) {
  ww::dot_nt@F<128>(m, n, k, a, b, ldb, c, ldc, scratch);
}
void nn(i64 m, i64 n, i64 k, const float* a, const T* b, i64 ldb, float* c, i64 ldc, void* scratch) {
  ww::dot_nn@F<128>(m, n, k, a, b, ldb, c, ldc, scratch);
}
i64 scratch_bytes() { return ww::dot_scratch_bytes(128, 128 * 128); }
}
"""


@pytest.mark.parametrize("isa", [isa for isa in ISAS if isa != "AMX"])
@pytest.mark.parametrize(("dtype", "form"), [*((t, "") for t in C_TYPE), (torch.bfloat16, "_bf16")])
def test_dot_reads_in_place_and_stays_inside(
    build: Callable[..., ctypes.CDLL], isa: str, dtype: Any, form: str
) -> None:
    """`_bf16`: with left operands that are bf16 numbers, and an even stride, which takes them in pairs."""
    library = build(DOT_SOURCE.replace("@T", C_TYPE[dtype]).replace("@F", form), isa)
    scratch, beyond = aligned_bytes(library.scratch_bytes()), 4 if form else 3
    torch.manual_seed(0)
    for m in (0, 1, 3, 4, 7, 8, 9, 13, 15, 16, 37, 128):
        for n in (0, 1, 17, 32, 72):
            for k in (0, 1, 15, 33, 64, 128):
                a = torch.full((m, 128), torch.nan)
                a[:, :k] = torch.randn(m, k).to(dtype if form else torch.float32)
                keys, values = torch.full((n, k + beyond), torch.nan).to(dtype), torch.full((k, n + 3), torch.nan).to(dtype)
                keys[:, :k], values[:, :n] = torch.randn(n, k).to(dtype), torch.randn(k, n).to(dtype)
                old = torch.randn(m + 1, n + 2)
                scores, out = old.clone(), old.clone()
                call(library.nt, m, n, k, a, keys, k + beyond, scores, n + 2, scratch)
                call(library.nn, m, n, k, a, values, n + 3, out, n + 2, scratch)
                want, sums = old.double(), old.double()
                want[:m, :n] = a[:, :k].double() @ keys[:, :k].double().T
                sums[:m, :n] += a[:, :k].double() @ values[:, :n].double()
                torch.testing.assert_close(scores.double(), want, rtol=1e-5, atol=5e-5)
                torch.testing.assert_close(out.double(), sums, rtol=1e-5, atol=5e-5)


TRANSPOSED_SOURCE = """
#include "ww.h"
extern "C" void transposed(ww::i64 m, ww::i64 k, const @T* p, ww::i64 stride, float* out, ww::i64 width) {
  ww::transposed(m, k, p, stride, out, width);
}
"""


@pytest.mark.parametrize("isa", VECTOR_ISAS)
@pytest.mark.parametrize("dtype", C_TYPE)
def test_transposed_reads_and_writes_inside(build: Callable[..., ctypes.CDLL], isa: str, dtype: Any) -> None:
    library = build(TRANSPOSED_SOURCE.replace("@T", C_TYPE[dtype]), isa)
    torch.manual_seed(0)
    for m, k, width in [(0, 5, 16), (1, 16, 16), (16, 31, 32), (17, 0, 16), (37, 47, 48), (48, 64, 64)]:
        memory = torch.full((k * (m + 5) + 32,), torch.nan).to(dtype)
        matrix = memory[: k * (m + 5)].view(k, m + 5)
        matrix[:, :m] = torch.randn(k, m).to(dtype)
        out = torch.full((m + 1, width), 7.0)
        call(library.transposed, m, k, memory, m + 5, out, width)
        want = torch.zeros(m + 1, width)
        want[:m, :k], want[m] = matrix[:, :m].float().T, 7.0
        assert torch.equal(out, want)


# ---- ww_run -----------------------------------------------------------------------------------------------------


RUN_KERNELS = """
#include <stdint.h>
static void step(const int64_t* x, int64_t* y, const int64_t* dims, void* scratch, int tid, int nt) {
  const int64_t n = dims[0];
  int64_t* mine = (int64_t*)scratch;
  *mine = 1000003 + tid;
  for (int64_t i = n * tid / nt; i < n * (tid + 1) / nt; ++i) y[i] = (x[i] + x[(i + n / 2) % n]) % (*mine - tid);
}
extern "C" void there(void* const* bufs, const int64_t* dims, void* scratch, int tid, int nt) {
  step((const int64_t*)bufs[0], (int64_t*)bufs[1], dims, scratch, tid, nt);
}
extern "C" void back(void* const* bufs, const int64_t* dims, void* scratch, int tid, int nt) {
  step((const int64_t*)bufs[1], (int64_t*)bufs[0], dims, scratch, tid, nt);
}
"""
OPENMP = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


def openmp() -> ctypes.CDLL | None:
    maps = Path("/proc/self/maps").read_text().splitlines() if Path("/proc/self/maps").exists() else []
    return next((ctypes.CDLL(line.split()[-1]) for line in maps if "gomp" in line), None)


@pytest.mark.parametrize("phases", [1, 2])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_ww_run_orders_launches_and_phases(build: Callable[..., ctypes.CDLL], threads: int, phases: int) -> None:
    """Each launch, and each phase of one, reads what other threads wrote before."""
    run, kernels, gomp = build(WW_RUN.read_text(), "PORTABLE").ww_run, build(RUN_KERNELS, "PORTABLE"), openmp()
    if threads > 1 and gomp is None:
        pytest.skip("no OpenMP runtime is loaded")
    n, steps = 1000, 300
    buffers = [torch.arange(n) * 7919, torch.zeros(n, dtype=torch.int64)]
    table = (ctypes.c_void_p * 2)(*(ctypes.cast(f, ctypes.c_void_p).value for f in (kernels.there, kernels.back)))
    first = [0] if phases == 2 else [0, 1]  # of the functions that a launch is
    launches = (WwLaunch * (steps // phases))(
        *(
            WwLaunch(ctypes.addressof(table) + 8 * first[i % len(first)], phases, 0, 2, 1, 1, 1)
            for i in range(steps // phases)
        )
    )
    arg_index = (ctypes.c_int64 * 2)(0, 1)
    slots = (ctypes.c_void_p * 2)(*(b.data_ptr() for b in buffers))
    dims = (ctypes.c_int64 * 2)(-1, n)
    count, nthreads, per_thread = (ctypes.c_int64(v) for v in (len(launches), threads, 64))
    scratch = aligned_bytes(64 * threads)
    api = [ctypes.cast(getattr(gomp, name), ctypes.c_void_p) if gomp else None for name in OPENMP]
    want = buffers[0].clone()
    for _ in range(steps):
        want = (want + want.roll(-(n // 2))) % 1000003
    run(
        launches, count, arg_index, slots, dims, nthreads, pointer(scratch), per_thread, None, *api
    )  # no launch looks anything up
    assert torch.equal(buffers[steps % 2], want)
