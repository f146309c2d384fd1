"""Types and mathematics of the CPU headers: float64 within the stated errors, PyTorch bit by bit where there is no rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from cpu_headers import C_TYPE, VECTOR_ISAS, build, call

UNARY: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], float]] = {
    "exp": (torch.exp, 1.6), "exp2": (torch.exp2, 1.6), "log": (torch.log, 1.6), "sqrt": (torch.sqrt, 0.51),
    "rsqrt": (torch.rsqrt, 1.6), "sin": (torch.sin, 1.6), "cos": (torch.cos, 1.6), "tanh": (torch.tanh, 1.6),
    "erf": (torch.erf, 1.6), "sigmoid": (torch.sigmoid, 2.5), "silu": (F.silu, 2.5), "softplus": (F.softplus, 1.6),
    "softmax_exp2": (torch.exp2, 1.4), "gelu": (F.gelu, 0), "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), 0),
    "floor": (torch.floor, 0), "ceil": (torch.ceil, 0), "trunc": (torch.trunc, 0), "round": (torch.round, 0),
    "sign": (torch.sign, 0), "abs": (torch.abs, 0),
}  # fmt: skip
BINARY: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
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


def sample_floats() -> torch.Tensor:
    patterns = torch.arange(-(2**31), 2**31, 20011, dtype=torch.int64).to(torch.int32).view(torch.float32)
    edges = torch.tensor([*SPECIAL, 1e-42, -1e-42])
    return torch.cat([edges, patterns, torch.linspace(-110, 100, 50001), torch.linspace(-4, 4, 50001)])


def ulp_error(got: torch.Tensor, want: torch.Tensor) -> torch.Tensor:
    """|got - want| in float32 ulp of `want`; 0 where they agree as float32, inf where one of them is NaN."""
    exponent = torch.frexp(want.abs().clamp(2.0**-126, 3.4e38)).exponent.double()
    error = (got.double() - want).abs() / torch.exp2(exponent - 24)
    same = (got == want.float()) | (got.isnan() & want.isnan())
    return torch.where(same, 0.0, torch.where(error.isnan(), torch.inf, error))


@pytest.mark.parametrize("isa", VECTOR_ISAS)
@pytest.mark.parametrize("name", UNARY)
def test_unary_functions_are_within_their_stated_errors(isa: str, name: str) -> None:
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
def test_binary_functions_follow_torch(isa: str) -> None:
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
def test_16_bit_conversions_are_those_of_torch(isa: str, dtype: Any) -> None:
    library, name = build(math_source(), isa), C_TYPE[dtype][4:]
    x = sample_floats()
    rounded = torch.empty(len(x), dtype=dtype)
    call(library[f"to_{name}"], len(x), x, rounded)
    torch.testing.assert_close(rounded, x.to(dtype), rtol=0, atol=0, equal_nan=True)
    every = torch.arange(-(2**15), 2**15).to(torch.int16).view(dtype)
    widened = torch.empty(2**16)
    call(library[f"from_{name}"], len(every), every, widened)
    torch.testing.assert_close(widened, every.float(), rtol=0, atol=0, equal_nan=True)
