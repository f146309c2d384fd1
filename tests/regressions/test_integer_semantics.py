"""Integers inside kernels are PyTorch's: they wrap in their own type, no division kills the process, powers and shifts."""

from __future__ import annotations

import pytest
import torch

import warpweave

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
GPU = {"backend": "triton", "interpret": True}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch._dynamo.reset()


def edges(dtype: torch.dtype) -> torch.Tensor:
    info = torch.iinfo(dtype)
    low, high = info.min, info.max
    return torch.tensor([low, low + 1, high, high - 1, 0, 1, 3, 100, high // 2 + 1, low // 2], dtype=dtype)


def check(f, *args: torch.Tensor, kernels: bool = True, **options) -> None:
    """The same numbers, bit for bit; with `kernels`, no operator is left to PyTorch."""
    expected = f(*args)
    got = torch.compile(f, backend="warpweave", options=options)(*args)
    report = warpweave.reports()[-1]
    assert report["error"] is None
    assert not (kernels and report["fallbacks"]), report["fallbacks"]
    for name, want in expected.items():
        assert got[name].dtype == want.dtype, name
        assert torch.equal(got[name], want), f"{name}: {got[name].tolist()} for {want.tolist()}"


def arithmetic(*pairs: torch.Tensor) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for x, y in zip(pairs[::2], pairs[1::2], strict=True):
        of = {
            "add": x + y, "sub": x - y, "mul": x * y, "neg": -x, "abs": x.abs(), "square": x**2, "cube": x**3, "power": x**7,
            "zeroth": x**0, "not": ~x, "and": x & y, "or": x | y, "xor": x ^ y, "max": torch.maximum(x, y),
            "min": torch.minimum(x, y), "clamp": x.clamp(2, 100), "sign": x.sign(), "shl": x << 3, "shr": x >> 3,
            "shl_all": x << 40, "shr_all": x >> 40, "shl_by": x << y, "shr_by": x >> y, "alpha": torch.add(x, y, alpha=3),
            "addcmul": torch.addcmul(x, x, y, value=3), "number": x * 300 + 7, "reverse": 5 - x,
            "floor_div": x // 7, "mod": x % 7, "fmod": torch.fmod(x, 7), "by_minus_one": x // -1, "of_sum": (x + y) // 3,
            "rest_of_sum": (x * 3 + y) % 10, "sum_over": (x - y) > 100, "as_float": (x + y).float(), "as_half": (x * y).half(),
            "halved": x / 2, "widened": (x + y).long(), "narrowed": (x * 3).to(torch.int8) + 1, "truth": (x + y).bool(),
            "eq": x == 300, "lt": x < 50.5, "where": torch.where(x > 1, x + 100, y), "filled": x.masked_fill(x > 1, 7) * 40,
            "sum": (x + y).sum(), "summed": (x * y).sum(0, dtype=torch.int32), "most": (x * 2).amax(),
        }  # fmt: skip
        found |= {f"{name} of {x.dtype}": value for name, value in of.items()}
    return found


@pytest.mark.parametrize("options", [{}, GPU], ids=["cpu", "triton"])
def test_arithmetic_wraps(options: dict) -> None:
    pairs = [t for dtype in INTEGERS for t in (edges(dtype), edges(dtype).flip(0))]
    check(arithmetic, *pairs, **options)


def test_mixed_types() -> None:
    u8, i8, i16, i32, i64 = (edges(dtype) for dtype in INTEGERS)
    truth, f = u8 > 3, torch.linspace(-3, 3, 10)

    def mixed(u8, i8, i16, i32, i64, truth, f):
        return {
            "u8 + i8": u8 + i8, "u8 * i16": u8 * i16, "i32 - i64": i32 - i64, "i8 * bool": i8 * truth, "bool + bool": truth + truth,
            "bool * bool": truth * truth, "bool and": truth & (u8 > 100), "i8 < u8": i8 < u8, "i64 == i32": i64 == i32,
            "i64 + f": i64 + f, "i32 > f": i32 > f,
            "i64 / i32": i64 / (i32 | 1), "f * 0-d": f * i64.sum(),
            "u8 + 0-d": u8 + i64.amax(),
            "i64 as f32": i64.float(),
            "i64 as bf16": i64.bfloat16().float(), "i64 as f64": i64.double(), "bool * 0-d": truth * i8.amax(),
            "i64 + big": i64 + 2**62, "i64 == big": i64 == 2**63 - 1, "i64 > f": i64 > 9.2e18,
            "reciprocal": torch.reciprocal(i16),
            "isnan": torch.isnan(i8), "isfinite": torch.isfinite(i8),
            "xor": truth ^ (i8 > 0), "bool max": torch.maximum(truth, i8 > 0),
        }  # fmt: skip

    check(mixed, u8, i8, i16, i32, i64, truth, f)


DIVISIONS = {
    "floor_div": lambda x, y: x // y,
    "mod": lambda x, y: x % y,
    "fmod": torch.fmod,
    "trunc": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
}


@pytest.mark.parametrize("division", DIVISIONS.values(), ids=DIVISIONS)
def test_division_by_zero_raises_as_in_pytorch(division) -> None:
    x, y = torch.tensor([7, 1, -8]), torch.tensor([2, 0, 3])
    compiled = torch.compile(lambda x, y: division(x + 1, y) * 2, backend="warpweave")
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        compiled(x, y)
    assert torch.equal(compiled(x, y + 5), division(x + 1, y + 5) * 2)


@pytest.mark.parametrize("division", list(DIVISIONS.values())[:3], ids=list(DIVISIONS)[:3])
def test_division_by_the_number_zero_raises(division) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        torch.compile(lambda x: division(x, 0) + 1, backend="warpweave")(torch.tensor([7, 1]))


def test_lowest_integer_by_minus_one() -> None:
    def f(x, y):
        return {"quotient": x // y, "rest": x % y}

    for dtype in (torch.int64, torch.int32, torch.int8):
        torch._dynamo.reset()
        x = torch.full((9,), torch.iinfo(dtype).min, dtype=dtype)
        check(f, x, torch.full_like(x, -1), kernels=False)


def test_powers_and_numbers_that_pytorch_refuses() -> None:
    x, byte = torch.tensor([2, 3, -1]), torch.tensor([1, 200], dtype=torch.uint8)
    check(lambda x: {"p": x ** x.abs(), "q": 2 ** x.abs(), "s": (x + 1) ** 70}, x, kernels=False)
    for f, arg, message in (
        (lambda x: (x + 1) ** -1, x, "negative integer powers"),
        (lambda b: torch.where(b > 50, b, 300) + 1, byte, "without overflow"),
        (lambda b: b.clamp(-1, 300) + 1, byte, "without overflow"),
        (lambda b: b.masked_fill(b > 50, 300) + 1, byte, "without overflow"),
    ):
        torch._dynamo.reset()
        with pytest.raises(RuntimeError, match=message):
            torch.compile(f, backend="warpweave")(arg)


def test_division_by_sizes() -> None:
    def f(x):
        n = x.shape[0]
        return {"quotient": x // n, "rest": (x * 3) % n}

    compiled = torch.compile(f, backend="warpweave", dynamic=True)
    for n in (5, 9):
        x = torch.arange(-n, n)
        assert torch.equal(compiled(x)["rest"], f(x)["rest"])
        assert torch.equal(compiled(x)["quotient"], f(x)["quotient"])
    assert not warpweave.reports()[-1]["fallbacks"]
