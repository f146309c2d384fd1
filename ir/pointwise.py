"""The pointwise operators: one table, shared by flow, fused regions, tiles, the reference and the emitters.

`torch` is the reference semantics (any float dtype, float64 included). `cpp` and `triton` are spellings over
float operands `{0}`, `{1}`, `{2}`; `cpp` functions without a prefix live in `namespace ww`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Result = Literal["same", "bool"]


@dataclass(frozen=True)
class Pointwise:
    """One operator: its arity, its C++ and Triton spellings, and whether it yields booleans."""

    arity: int
    cpp: str
    triton: str
    result: Result = "same"
    commutative: bool = False


def _u(cpp: str, triton: str = "") -> Pointwise:
    return Pointwise(1, cpp, triton or cpp)


def _b(cpp: str, triton: str = "", commutative: bool = False) -> Pointwise:
    return Pointwise(2, cpp, triton or cpp, commutative=commutative)


def _c(cpp: str, commutative: bool = False) -> Pointwise:
    return Pointwise(2, cpp, cpp, "bool", commutative)


POINTWISE: dict[str, Pointwise] = {
    "add": _b("({0} + {1})", commutative=True),
    "sub": _b("({0} - {1})"),
    "mul": _b("({0} * {1})", commutative=True),
    "div": _b("({0} / {1})"),
    "floor_div": _b("ww::floor_div({0}, {1})", "ww_floor_div_of_floats({0}, {1})"),
    "mod": _b("ww::mod({0}, {1})", "ww_mod_of_floats({0}, {1})"),
    "fmod": _b("ww::fmod({0}, {1})", "libdevice.fmod({0}, {1})"),
    "max": _b("ww::max({0}, {1})", "ww_max({0}, {1})"),  # of equal numbers (0.0 and -0.0) the second
    "min": _b("ww::min({0}, {1})", "ww_min({0}, {1})"),
    "minnum": _b("({0} < {1} ? {0} : {1})", "tl.minimum({0}, {1})"),  # the second operand where the first is NaN
    "pow": _b("ww::pow({0}, {1})", "libdevice.pow({0}, {1})"),
    "neg": _u("(-{0})", "({0} * -1.0)"),  # Triton's -x is 0 - x, which makes 0.0 of 0.0
    "abs": _u("ww::abs({0})", "tl.abs({0})"),
    "square": _u("({0} * {0})"),
    "reciprocal": _u("(1 / {0})", "(1.0 / {0})"),
    "exp": _u("ww::exp({0})", "tl.exp({0})"),
    "exp2": _u("ww::exp2({0})", "tl.exp2({0})"),
    "softmax_exp2": _u("ww::softmax_exp2({0})", "tl.exp2({0})"),
    "log": _u("ww::log({0})", "tl.log({0})"),
    "sqrt": _u("ww::sqrt({0})", "tl.sqrt({0})"),
    "rsqrt": _u("ww::rsqrt({0})", "tl.rsqrt({0})"),
    "sin": _u("ww::sin({0})", "tl.sin({0})"),
    "cos": _u("ww::cos({0})", "tl.cos({0})"),
    "tanh": _u("ww::tanh({0})", "libdevice.tanh({0})"),
    "erf": _u("ww::erf({0})", "tl.erf({0})"),
    "floor": _u("ww::floor({0})", "tl.floor({0})"),
    "ceil": _u("ww::ceil({0})", "tl.ceil({0})"),
    "round": _u("ww::round({0})", "libdevice.rint({0})"),  # half to even
    "trunc": _u("ww::trunc({0})", "libdevice.trunc({0})"),
    "sign": _u("ww::sign({0})", "tl.where({0} > 0, 1.0, tl.where({0} < 0, -1.0, 0.0))"),
    "sigmoid": _u("ww::sigmoid({0})", "tl.sigmoid({0})"),
    "relu": _u("ww::max({0}, 0)", "ww_max(0.0, {0})"),
    "silu": _u("ww::silu({0})", "({0} * tl.sigmoid({0}))"),
    "gelu": _u("ww::gelu({0})", "(0.5 * {0} * (1.0 + tl.erf({0} * 0.7071067811865476)))"),
    "gelu_tanh": _u("ww::gelu_tanh({0})",
        "(0.5 * {0} * (1.0 + libdevice.tanh(0.7978845608028654 * ({0} + 0.044715 * {0} * {0} * {0}))))",
    ),
    "softplus": _u("ww::softplus({0})", "tl.where({0} > 20.0, {0}, tl.log(1.0 + tl.exp({0})))"),
    "eq": _c("({0} == {1})", True),
    "ne": _c("({0} != {1})", True),
    "lt": _c("({0} < {1})"),
    "le": _c("({0} <= {1})"),
    "gt": _c("({0} > {1})"),
    "ge": _c("({0} >= {1})"),
    "and": _c("({0} & {1})", True),
    "or": _c("({0} | {1})", True),
    "xor": _c("({0} ^ {1})", True),
    "not": Pointwise(1, "(!{0})", "({0} == 0)", "bool"),
    "shl": _b("ww::shl({0}, {1})", "ww_shl({0}, {1})"),  # of integers; by as many bits as there are or more, or by fewer
    "shr": _b("ww::shr({0}, {1})", "ww_shr({0}, {1})"),  # than none: 0, and the sign alone
    "isnan": Pointwise(1, "({0} != {0})", "({0} != {0})", "bool"),
    "isinf": Pointwise(1, "ww::isinf({0})", "(tl.abs({0}) == float('inf'))", "bool"),
    "where": Pointwise(3, "({0} ? {1} : {2})", "tl.where({0}, {1}, {2})"),
}  # fmt: skip

INTEGRAL = ("shl", "shr")
"""The rows that floats have not."""


def torch_reference(kind: str) -> Callable[..., Any]:
    """The operator on torch tensors of any dtype. `and`, `or`, `xor`, `not` are bitwise on integers."""
    import torch
    import torch.nn.functional as F

    special: dict[str, Callable[..., Any]] = {
        "sub": torch.sub, "div": torch.true_divide, "max": torch.maximum, "min": torch.minimum,
        "floor_div": lambda a, b: torch.div(a, b, rounding_mode="floor"), "mod": torch.remainder,
        "relu": torch.relu, "silu": F.silu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "softplus": F.softplus, "softmax_exp2": torch.exp2, "minnum": torch.fmin,
        "shl": torch.bitwise_left_shift, "shr": torch.bitwise_right_shift,
        "and": torch.bitwise_and, "or": torch.bitwise_or, "xor": torch.bitwise_xor, "not": torch.bitwise_not,
    }  # fmt: skip
    return special.get(kind) or getattr(torch, kind)
