"""Mutants of what numbers are: each is seen by a small function of PyTorch, compiled and compared with eager, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from mutants.registry import Mutant
from warpweave.ir.testing.oracles import Violation

NAN = math.nan


@dataclass(frozen=True)
class Compared:
    """A function of PyTorch on tensors; it raises Violation where the compiled one does not do what it does itself."""

    name: str
    function: Callable[..., Any] = field(repr=False)
    given: tuple[Any, ...] = field(repr=False)
    dtype: torch.dtype | None = field(default=None, repr=False)
    options: tuple[tuple[str, Any], ...] = field(default=(), repr=False)

    def __call__(self) -> None:
        torch._dynamo.reset()
        args = [torch.tensor(numbers, dtype=self.dtype) for numbers in self.given]
        compiled = torch.compile(self.function, backend="warpweave", options=dict(self.options))
        got, want = _outcome(compiled, args), _outcome(self.function, args)
        if got != want:
            raise Violation("eager", f"{self.name}: {got} for {want}")


def _outcome(function: Callable[..., Any], args: list[torch.Tensor]) -> str:
    """What it gives, as a text that tells -0.0 from 0.0, or how it ends."""
    try:
        return str([(str(t.dtype), t.tolist()) for t in function(*args)])
    except RuntimeError as error:
        return str(error)[:40]


WRAPS = Compared("sums of bytes", lambda x: ((x + x) // 3, (x * x).float()), ((200, 100, 3),), torch.uint8)
DIVIDES = Compared("division by zero", lambda x, y: ((x + 1) // y,), ((7, 8), (0, 2)))
SHIFTS = Compared("shifts", lambda x: (x << 64, x << -1, x >> 64), ((5, -5),))
POWERS = Compared("powers", lambda x: (x**6 + 1, x**0), ((2, -3),))
ZEROS = Compared("zeros", lambda x: (x + 0.0, x - 0.0, 0.0 - x), ((0.0, -0.0, 1.0),))
TWO_ZEROS = Compared("a constant of two zeros", lambda x: (x / torch.tensor([0.0, -0.0]),), ((1.0, 1.0),))
BROADCAST = Compared("a zero that fills a tile", lambda x: (torch.full((3, 2), -0.0), x + 1), ((0.0, 0.0),))
CLAMPED = Compared("clamped zeros", lambda x: (x.clamp(min=0.0), x.relu()), ((-0.0, -1.0, 1.0) * 9,))
NUMBERS = Compared("numbers beside bf16", lambda x: (x == 0.1, x > 0.1, x + 0.1), ((0.1, 3.14, 0.3),), torch.bfloat16)
DECIDED = Compared(
    "comparison of a sum", lambda x, y: (x + y == x, (x + y).float()), ((1.0, 3.0), (1e-4, 1e-3)), torch.bfloat16
)
CHAINED = Compared(
    "comparison of a difference", lambda x, y: ((x + y) - x == 0,), ((1.0, 3.0), (1e-4, 1e-3)), torch.bfloat16
)
HALVES = Compared("f16 overflows", lambda x: (x * x / x,), ((300.0, 2.0),), torch.float16)
CASTS = Compared("floats out of range", lambda x: (x.to(torch.int32), x.long()), ((NAN, math.inf, 3e9, -1e30, 7.9),))
SINES = Compared("sine of large numbers", lambda x: ((x.sin() * 1e3).round(),), ((1e10, 3e22, -7e30, 2.0),))
EACH = Compared(
    "every result rounded",
    lambda x: (x * 1.7 * 1.7 * 1.7,),
    ((0.3, 0.7, 1.9, 5.3),),
    torch.bfloat16,
    (("round", "each"),),
)
GPU = (("backend", "triton"), ("interpret", True))
LARGER = Compared("NaN in Triton", lambda x: (x.relu(), x.clamp(-1, 1)), ((NAN, 1.0),), None, GPU)

NUMBERS_OF_PYTORCH = (
    Mutant("narrow integers do not wrap", "torch", "passes.form_tiles.region:Region._compute",
           "as_it_is = element_of", "as_it_is = True or element_of", (WRAPS,)),
    Mutant("integers divided by tensors", "torch", "frontend.aten_pointwise:_check_divisor",
           'if isinstance(divisor, SSAValue) or dtype == "i1":', "if isinstance(divisor, SSAValue):\n        return\n    if False:",
           (DIVIDES,)),
    Mutant("shifts modulo 64", "torch", "ww_math.h", "uint64_t(y) < 64 ? i64(uint64_t(x) << y) : 0", "i64(uint64_t(x) << (y & 63))",
           (SHIFTS,)),
    Mutant("every square is a factor of the power", "torch", "frontend.aten_pointwise:_integer_power", "if left % 2:", "if True:",
           (POWERS,)),
    Mutant("-0.0 + 0.0 is -0.0", "torch", "passes.folds:identity_arithmetic",
           "math.copysign(1, value) != math.copysign(1, neutral[0])", "False", (ZEROS,)),
    Mutant("0.0 and -0.0 are one constant", "torch", "frontend.importer:fill_value", "value.is_floating_point()", "False",
           (TWO_ZEROS,)),
    Mutant("broadcast by adding 0.0", "torch", "passes.form_tiles.arithmetic:widened", "-0.0 if is_float(element) else 0.0", "0.0",
           (BROADCAST,)),
    Mutant("a bound of 0.0 takes the place of -0.0", "torch", "frontend.aten_pointwise:clamp",
           '"max", fill(b, low, dtype), x,', '"max", x, fill(b, low, dtype),', (CLAMPED,)),
    Mutant("numbers beside bf16 are not rounded", "torch", "frontend.aten_pointwise:operand", "unrounded and is_narrow",
           "is_narrow", (NUMBERS,)),
    Mutant("comparisons see extra digits", "torch", "passes.rounding:deciding", "if jumps or", "if False or", (DECIDED,)),
    Mutant("what is compared is made of extra digits", "torch", "passes.rounding:deciding", "any(use.operation in found",
           "any(False and use.operation in found", (CHAINED,)),
    Mutant("f16 keeps what f32 holds", "torch", "passes.rounding:is_always_rounded", 'dtype == "f16" or ', "", (HALVES,)),
    Mutant("floats out of range are 0", "torch", "ww_math.h", "return abs(x) < end ? T(x) :", "return abs(x) < end ? T(x) : T(0) &",
           (CASTS,)),
    Mutant("2 / pi has 58 bits", "torch", "ww_math.h", "without_turns(a * 0x1.4fe13abp-59, true)", "0.0", (SINES,)),
    Mutant("extra digits although every result is to be rounded", "torch", "ir.rounding:rounds_each",
           "op.attributes.get(ROUND) == EACH", "False", (EACH,)),
    Mutant("Triton's larger number of NaN and a number", "torch", "backends.triton.expressions:pointwise",
           "POINTWISE[kind].triton", 'POINTWISE[kind].triton.replace("ww_", "tl.").replace("max", "maximum")', (LARGER,)),
)  # fmt: skip
