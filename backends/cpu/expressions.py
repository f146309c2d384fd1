"""C++ spellings: types, literals, dims, indices, pointwise operators; names and the text under construction."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from xdsl.dialects import arith
from xdsl.ir import Operation, SSAValue

from ...ir import tile
from ...ir.dims import Call, Dim
from ...ir.pointwise import POINTWISE


class UnsupportedKernelError(ValueError):
    """A kernel that this backend cannot print; the message names the op and why."""


# what a buffer's elements are in memory
MEMORY_TYPES: dict[str, str] = {
    "f64": "double", "f32": "float", "f16": "ww::f16", "bf16": "ww::bf16",
    "i64": "int64_t", "i32": "int32_t", "i16": "int16_t", "i8": "int8_t", "u8": "uint8_t", "i1": "uint8_t",
}  # fmt: skip
ITEM_BYTES: dict[str, int] = {"double": 8, "int64_t": 8, "float": 4, "bool": 1}


def held(dtype: str) -> str:
    """The C++ type that holds tile elements: 16-bit floats are held in float, integers in int64_t."""
    if dtype == "f64":
        return "double"
    if dtype == "i1":
        return "bool"
    return "float" if dtype.startswith(("f", "bf")) else "int64_t"


def memory_type(dtype: str) -> str:
    """The C++ type of a buffer's elements. Raises UnsupportedKernelError."""
    if dtype not in MEMORY_TYPES:
        raise UnsupportedKernelError(f"the CPU backend has no element type {dtype}")
    return MEMORY_TYPES[dtype]


def literal(value: float, ctype: str) -> str:
    """A constant of a held type."""
    if ctype == "bool":
        return "true" if value else "false"
    if ctype == "int64_t":
        return f"int64_t({int(value)})"
    suffix = "f" if ctype == "float" else ""
    if math.isnan(value):
        return f'__builtin_nan{suffix}("")'
    if math.isinf(value):
        return f"{'-' if value < 0 else ''}__builtin_inf{suffix}()"
    if ctype == "float" and abs(value) > 3.5e38:
        return f"{'-' if value < 0 else ''}__builtin_inff()"
    return f"{float(value)!r}{suffix}"


def cast(text: str, source: str, target: str) -> str:
    """`text` of one held type as another, or as an integer in memory."""
    if source == target:
        return text
    if target == "bool":
        return f"({text} != 0)"
    if source in ("float", "double") and target in _BY_WAY_OF:
        way = _BY_WAY_OF[target]
        return f"{target}(ww::truncated<{way}>({text}))" if way != target else f"ww::truncated<{way}>({text})"
    return f"{target}({text})"


# integer type → the one that floats are converted to first, as PyTorch does
_BY_WAY_OF = {"int64_t": "int64_t", "uint8_t": "int64_t", **dict.fromkeys(("int32_t", "int16_t", "int8_t"), "int32_t")}


_ROUNDED: dict[str, str] = {
    "bf16": "ww::bf16",
    "f16": "ww::f16",
    "i32": "int32_t",
    "i16": "int16_t",
    "i8": "int8_t",
    "u8": "uint8_t",
}


def converted(text: str, source: str, dtype: str) -> str:
    """`text` of a held type rounded to an element type, in what holds that one."""
    target = held(dtype)
    narrow = _ROUNDED.get(dtype)
    if narrow is None:
        return cast(text, source, target)
    if target == "float":
        return f"ww::to_f32(ww::from_f32<{narrow}>({cast(text, source, target)}))"
    return f"int64_t({cast(text, source, narrow)})"


# Where the table's spelling leaves a literal's type open, is for truth values only, or overflows, which C++ does not define.
_SPECIAL: dict[tuple[str, str], str] = {
    **{("relu", t): f"ww::max({t}(0), {{0}})" for t in ("float", "double", "int64_t")},
    **{(kind, "int64_t"): f"ww::{kind}({{0}}, {{1}})" for kind in ("add", "sub", "mul")},
    ("neg", "int64_t"): "ww::sub(int64_t(0), {0})",
    ("square", "int64_t"): "ww::mul({0}, {0})",
    ("not", "int64_t"): "(~{0})",
    **{(kind, "int64_t"): "{0}" for kind in ("floor", "ceil", "round", "trunc")},
}
_TRUTHS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf"})


def pointwise(kind: str, operands: Sequence[tuple[str, str]], dtype: str) -> str:
    """An operator on (text, held type) operands, as an element of `dtype`. Mixed operands meet in the widest type."""
    condition, numbers = (operands[:1], operands[1:]) if kind == "where" else ([], operands)
    common = next(t for t in ("double", "float", "int64_t", "bool") if any(t == own for _, own in numbers))
    if kind == "div" and common == "int64_t":
        common = "float"
    texts = [cast(text, own, "bool") for text, own in condition] + [cast(text, own, common) for text, own in numbers]
    spelling = _SPECIAL.get((kind, common), POINTWISE[kind].cpp).format(*texts)
    return converted(spelling, "bool" if kind in _TRUTHS else common, dtype)


def sum_of(terms: Sequence[str]) -> str:
    """A sum without its zero terms."""
    return " + ".join(t for t in terms if t != "0") or "0"


def times(factor: str, stride: str) -> str:
    if stride == "1" or factor == "0":
        return factor
    if stride == "0":
        return "0"
    return f"{_operand(factor)} * {_operand(stride)}"


def over(position: str, size: str) -> str:
    return "0" if position == "0" else position if size == "1" else f"{_operand(position)} / {_operand(size)}"


def rest(position: str, size: str) -> str:
    return "0" if position == "0" or size == "1" else f"{_operand(position)} % {_operand(size)}"


def _operand(text: str) -> str:
    return text if re.fullmatch(r"[\w.]+|\w*\([^()]*\)", text) else f"({text})"


class Symbols:
    """Dims and indices as C++; `names` maps dim symbols and index values to variables."""

    def __init__(self) -> None:
        self.names: dict[str | SSAValue, str] = {}

    def dim(self, dim: Dim) -> str:
        """A dim, as an expression of int64_t (plain literals where constant)."""
        parts: list[str] = []
        for monomial, coefficient in dim.terms:
            factors = [self.names[a] if isinstance(a, str) else self._call(a) for a in monomial]
            if coefficient not in (1, -1) or not factors:
                factors.insert(0, f"int64_t({abs(coefficient)})" if abs(coefficient) > 2**30 else str(abs(coefficient)))
            sign = "-" if coefficient < 0 else "+"
            parts.append((f" {sign} " if parts else sign.strip("+")) + " * ".join(factors))
        return "".join(parts) or "0"

    def _call(self, call: Call) -> str:
        lhs, rhs = f"int64_t({self.dim(call.lhs)})", f"int64_t({self.dim(call.rhs)})"
        function = {"floordiv": "floor_div"}.get(call.function, call.function)
        return f"ww::{function}({lhs}, {rhs})"

    def index(self, value: SSAValue) -> str:
        """An index value: a variable, or a literal where it is constant."""
        constant = tile.constant_index(value)
        return str(constant) if constant is not None else self.names[value]


_ARITHMETIC: dict[type[Operation], str] = {
    arith.AddiOp: "{0} + {1}", arith.SubiOp: "{0} - {1}", arith.MuliOp: "{0} * {1}",
    arith.DivUIOp: "{0} / {1}", arith.DivSIOp: "{0} / {1}", arith.RemUIOp: "{0} % {1}", arith.RemSIOp: "{0} % {1}",
    arith.FloorDivSIOp: "ww::floor_div(int64_t({0}), int64_t({1}))",
    arith.CeilDivSIOp: "-ww::floor_div(-int64_t({0}), int64_t({1}))",
    arith.CeilDivUIOp: "({0} + {1} - 1) / {1}",
    arith.MinSIOp: "ww::min(int64_t({0}), int64_t({1}))", arith.MaxSIOp: "ww::max(int64_t({0}), int64_t({1}))",
    arith.MinUIOp: "ww::min(int64_t({0}), int64_t({1}))", arith.MaxUIOp: "ww::max(int64_t({0}), int64_t({1}))",
    arith.SelectOp: "{0} ? {1} : {2}", arith.IndexCastOp: "{0}",
}  # fmt: skip
_PREDICATES = ("==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">=")


def arithmetic(op: Operation, symbols: Symbols) -> str:
    """An `arith` op on indices. Raises UnsupportedKernelError."""
    operands = [symbols.index(v) for v in op.operands]
    if isinstance(op, arith.CmpiOp):
        return f"{operands[0]} {_PREDICATES[op.predicate.value.data]} {operands[1]}"
    if type(op) not in _ARITHMETIC:
        raise UnsupportedKernelError(f"`{op.name}` on indices")
    return _ARITHMETIC[type(op)].format(*operands)


_KEYWORDS = frozenset({
    "alignas", "and", "asm", "auto", "bool", "break", "case", "char", "class", "const", "continue", "default", "delete",
    "do", "double", "else", "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "namespace", "new",
    "not", "operator", "or", "private", "public", "register", "return", "short", "signed", "sizeof", "static", "struct",
    "switch", "template", "this", "throw", "try", "typedef", "union", "unsigned", "using", "void", "volatile", "while",
    "xor",
    "arrays", "begin", "bufs", "dims", "end", "nt", "scratch", "tid", "ww",
})  # fmt: skip


class Names:
    """Fresh C++ identifiers, near to the names that values have in the IR."""

    def __init__(self) -> None:
        self._taken: set[str] = set(_KEYWORDS)

    def fresh(self, wish: str) -> str:
        base = re.sub(r"\W", "_", wish).strip("_") or "v"
        base = f"v{base}" if base[0].isdigit() else base
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}{number if not base[-1].isdigit() else f'_{number}'}"
        self._taken.add(name)
        return name

    def of(self, value: SSAValue, otherwise: str) -> str:
        return self.fresh(value.name_hint or otherwise)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Names given inside may be given again after it."""
        outside = set(self._taken)
        yield
        self._taken = outside


class Writer:
    """Indented lines."""

    def __init__(self, depth: int = 0) -> None:
        self.lines: list[str] = []
        self._depth = depth

    def __call__(self, line: str = "") -> None:
        self.lines.append("  " * self._depth + line if line and not line.startswith("#") else line)

    @contextmanager
    def block(self, head: str, end: str = "}") -> Iterator[None]:
        self(f"{head} {{" if head else "{")
        self._depth += 1
        yield
        self._depth -= 1
        self(end)

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"
