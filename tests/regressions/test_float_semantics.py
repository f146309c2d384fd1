"""Floats inside kernels are PyTorch's: signs of zero, NaN, infinities, casts, and when numbers of 16 bits are rounded."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

import warpweave

INF, NAN = math.inf, math.nan
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, 0.1, -0.3, 7.7, 300.0, -7e4, 1e-40, INF, -INF, NAN]
FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
GPU = {"backend": "triton", "interpret": True}
WHERE = {"cpu": {}, "portable": {"isa": "portable"}, "triton": GPU}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch._dynamo.reset()


def pairs(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Every special number beside every other."""
    x = torch.tensor(SPECIAL, dtype=torch.float64).to(dtype)
    return x.repeat_interleave(len(x)), x.repeat(len(x))


def bits(x: torch.Tensor) -> torch.Tensor:
    """Equal for equal numbers: zeros have signs, all NaN are one."""
    if not x.is_floating_point():
        return x
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[x.element_size()]
    return torch.where(x.isnan(), torch.tensor(NAN, dtype=x.dtype), x).view(whole)


def differences(f, *args: torch.Tensor, kernels: bool = True, **options) -> list[str]:
    expected = f(*args)
    got = torch.compile(f, backend="warpweave", options=options)(*args)
    report = warpweave.reports()[-1]
    assert report["error"] is None
    assert not (kernels and report["fallbacks"]), report["fallbacks"]
    found: list[str] = []
    for name, want in expected.items():
        assert got[name].dtype == want.dtype, name
        at = (bits(got[name]) != bits(want)).nonzero().flatten()[:4].tolist()
        of = [[a.flatten()[i].item() for a in args if a.numel() > i] for i in at]
        ours, theirs = ([t.flatten()[i].item() for i in at] for t in (got[name], want))
        found += [f"{name} of {o}: {g} for {w}" for o, g, w in zip(of, ours, theirs, strict=True)]
    return found


def exact(x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """What has one right result, and what decides; of two zeros PyTorch's own maximum takes either."""
    some, z = (
        x.nan_to_num(0.0, 2.0, -2.0),
        torch.where(y.abs() < 1e-30, 0.0, y),
    )  # PyTorch's fmod fails for huge quotients
    return {
        "add": x + y, "sub": x - y, "mul": x * y, "div": x / y, "neg": -x, "abs": x.abs(), "zero": x + 0.0, "from zero": 0 - x,
        "times one": x * 1.0, "less zero": x - 0.0, "ceil": x.ceil(), "floor": x.floor(), "round": x.round(), "trunc": x.trunc(),
        "sign": x.sign(), "square": x * x, "relu": x.relu(), "clamp": x.clamp(-1, 1), "clamp_min": x.clamp(min=0.0),
        "crossed": x.clamp(2, 1), "clamp_nan": x.clamp(min=NAN), "hardtanh": F.hardtanh(x), "maximum": torch.maximum(x, y).abs(),
        "minimum": torch.minimum(x, y).abs(), "reciprocal": x.reciprocal(), "isnan": x.isnan(), "isinf": x.isinf(),
        "isfinite": x.isfinite(), "eq": x == y, "ne": x != y, "lt": x < y, "ge": x >= y, "and": torch.logical_and(x, y),
        "not": torch.logical_not(x), "xor": torch.logical_xor(x, y), "where": torch.where(x > y, x, y), "bool": x.bool(),
        "fmod": torch.fmod(x, z), "mod": x % z, "floor_div": x // z, "trunc_div": torch.div(x, y, rounding_mode="trunc"),
        "mod 2": x % 2.0, "by 3": x // 3.0, "of 5": 5.0 % z, "pow 2": x**2, "pow 1": x**1, "pow 0": x**0,
        "leaky_relu": F.leaky_relu(x, 0.5),
        "filled": x.masked_fill(x > y, -0.0), "int8": x.to(torch.int8), "uint8": x.to(torch.uint8),
        "int16": x.to(torch.int16), "int32": x.to(torch.int32), "int64": x.long(), "float": x.float(), "bf16": x.bfloat16(),
        "half": x.half(), "double": x.double(), "amax": x[:-1].nan_to_num(0.0).amax(), "nan max": x.amax(), "nan min": x.amin(),
        "tensor": x * torch.tensor([0.0, -0.0])[:1].to(x.dtype), "some": some,
    }  # fmt: skip


@pytest.mark.parametrize("options", WHERE.values(), ids=WHERE)
def test_special_numbers(options: dict) -> None:
    def f(*args):
        return {
            f"{n} of {x.dtype}": v for x, y in zip(args[::2], args[1::2], strict=True) for n, v in exact(x, y).items()
        }

    wide = [t for dtype in FLOATS[: 1 if options == GPU else 2] for t in pairs(dtype)]
    assert not differences(f, *wide, **options)


def decisions(x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of numbers that have more digits than their type, before they are rounded."""
    s, p, q = x + y, x * y, F.silu(x) * y
    return {
        "s > p": s > p, "s == x": s == x, "eq": p == 0.5, "is inf": (p * p).isinf(), "floor": s.floor(),
        "round": (p * 4).round(),
        "mod": s % 0.25, "float": s.float(), "double": p.double(), "int": (p * 100).to(torch.int32),
        "where": torch.where(p > 0.3, p, s),
        "again": ((s - x) == y), "sign": (s - x - y).sign(), "trunc": (p * 9).trunc(), "cast": (s.float() - x.float()) * 1000,
        "mask": p.masked_fill(s >= 1, -0.0), "logical": torch.logical_and(s - x - y, p),
        "other": s.to(torch.float16).float(),
        "sum of truths": (s > p).sum(), "fewer": p.to(torch.bfloat16).float(), "stored": s,
        "most": s.amax(), "full": torch.full_like(x, 0.7) == 0.7,
        "relu": (s - 1).relu() > 0.001, "floor_div": p // 0.3, "silu": (q == x) | (x == q),
    }  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"isa": "portable"}, GPU], ids=WHERE)
def test_decisions_see_rounded_numbers(options: dict) -> None:
    torch.manual_seed(0)
    for dtype in (torch.bfloat16, torch.float16):
        torch._dynamo.reset()
        x, y = torch.randn(2, 3, 509).to(dtype).unbind(0)
        assert not differences(decisions, x, y, **options)


def test_epilogue_decides_on_rounded_numbers() -> None:
    torch.manual_seed(0)
    for dtype in (torch.bfloat16, torch.float16):
        torch._dynamo.reset()
        x, w, b = (
            torch.randn(7, 8).to(dtype),
            (torch.randint(-2, 3, (32, 8)) / 2).to(dtype),
            torch.zeros(32, dtype=dtype),
        )

        def f(x, w, b):
            y = F.linear(x, w) + b
            return {"greater": y > y.new_full((), 1.0), "float": y.float() * 3, "same": y * 1 == y.to(torch.float32)}

        got, want = torch.compile(f, backend="warpweave")(x, w, b), f(x, w, b)
        assert (got["float"] / 3).to(dtype).float().equal(got["float"] / 3)
        assert got["same"].all()
        assert (got["greater"] != want["greater"]).float().mean() < 0.01


def test_half_overflows_and_loses_subnormals() -> None:
    x = torch.tensor([300.0, -300.0, 1e-4, 6e-8, 2.0]).half()

    def f(x):
        over, under = x * x / x, x * 1e-4 * 1e4
        return {
            "over": over,
            "under": under,
            "sum": (x * x).sum(),
            "most": x * 250 - x * 250,
            "exp": (x * 60).exp().log(),
        }

    for options in ({}, GPU):
        torch._dynamo.reset()
        assert not differences(f, x, **options)


def beside_numbers(x: torch.Tensor) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for n in (0.1, 3.14, 1.007):
        z = torch.tensor(n)
        of = {
            "add": x + n, "sub": x - n, "rsub": n - x, "mul": x * n, "div": x / n,
            "rdiv": n / x,
            "floor_div": x // n, "mod": x % n, "rmod": n % x, "fmod": torch.fmod(x, n),
            "trunc": torch.div(x, n, rounding_mode="trunc"),
            "leaky_relu": F.leaky_relu(x, n), "clamp": x.clamp(-n, n), "eq": x == n, "lt": x < n,
            "where": torch.where(x > 1, x, n), "filled": x.masked_fill(x > 1, n), "full": torch.full_like(x, n),
            "0-d mul": x * z, "0-d add": x + z,
            "0-d rdiv": z / x, "0-d div": x / z, "0-d max": torch.maximum(x, z), "0-d eq": x == z, "cube": x**3,
            "inverse square": x**-2,
            "chain": (x * n + 0.3) * n - x / n, "hardswish": F.hardswish(x), "hardsigmoid": F.hardsigmoid(x),
        }  # fmt: skip
        found |= {f"{name} {n}": value for name, value in of.items()}
    return found


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_every_result_rounded(dtype: torch.dtype) -> None:
    """With round="each": PyTorch's bits, for every bf16 and f16 (but for quotients so large that PyTorch's fmod gives NaN).

    Not of what is several operations in one (`add` with `alpha`, `addcmul`): there PyTorch's own lanes and tails differ.
    """
    torch.manual_seed(0)
    x = (
        torch.arange(-32768, 32768, dtype=torch.int16).view(dtype)
        if dtype.itemsize == 2
        else torch.randn(4099).to(dtype)
    )
    x = x[(x.abs() < 1e4) & ((x.abs() > 1e-3) | (x == 0))]
    assert not differences(beside_numbers, x, round="each")


def test_sine_and_cosine_of_large_numbers() -> None:
    x = torch.tensor([1e5, 1e6, 3e7, 1e10, 1e22, 3e38, -1e15, 0.0, -0.0, 1e-40, INF, NAN, 3.14159274, 710.0])
    for dtype in (torch.float32, torch.float64):
        torch._dynamo.reset()
        got = torch.compile(lambda x: (x.sin(), x.cos()), backend="warpweave")(x.to(dtype))
        for value, want in zip(got, (x.to(dtype).double().sin(), x.to(dtype).double().cos()), strict=True):
            torch.testing.assert_close(value.double(), want, rtol=2e-7, atol=0, equal_nan=True)
            assert torch.equal(value.signbit()[:10], want.signbit()[:10])


def test_constants_of_two_zeros() -> None:
    x = torch.tensor([-0.5, -0.1])

    def f(x):
        return {
            "ceil": 1 / (torch.ceil(x) + 0.0),
            "two": x / torch.tensor([0.0, -0.0]),
            "minus": x * 0 + torch.full((2,), -0.0),
        }

    assert not differences(f, x, kernels=False)


def test_types_of_promotions() -> None:
    """Of every pair of types, with dims and without, and of numbers: comparisons are made in PyTorch's result type."""
    from warpweave.frontend.aten_pointwise import promoted
    from warpweave.frontend.build import DTYPES, tensor
    from warpweave.ir.dims import Dim
    from warpweave.ir.flow import ConstantOp

    dtypes = [d for d in DTYPES if d.itemsize > 1 or not d.is_floating_point]
    shapes = [(d, r) for d in dtypes for r in (0, 1)]
    values = [
        (ConstantOp(0, tensor((Dim.of(2),) * r, DTYPES[d])).result, torch.zeros([2] * r, dtype=d)) for d, r in shapes
    ]
    numbers = [(n, n) for n in (True, 3, 2.5)]
    for (ours, theirs), (other, also) in [(v, w) for v in values for w in values + numbers]:
        assert DTYPES[torch.result_type(theirs, also)] == promoted(ours, other)
