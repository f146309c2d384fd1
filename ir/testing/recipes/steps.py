"""The steps between norms and attention: products, residuals, gates, views, casts, tables of positions."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...dims import Dim
from ...flow import (
    BroadcastOp,
    CastOp,
    ConcatOp,
    DimValueOp,
    EmbeddingOp,
    IotaOp,
    LinearOp,
    MatmulOp,
    ReduceOp,
    SliceOp,
)
from ...types import TensorType, dtype_of, shape_of, tensor_type
from .builder import FlowBuilder, width_of
from .norms import ACTIVATIONS, activation
from .source import Source, near, pick, sometimes

WIDTHS = near(64)
BINARY = ("add", "mul", "sub", "max", "min")
REDUCTIONS = ("sum", "mean", "max", "min")


def linear(builder: FlowBuilder, x: SSAValue, columns: int, biased: bool = False) -> SSAValue:
    """x · weightᵀ with a weight (and bias) of x's dtype."""
    dtype = dtype_of(x)
    weight = builder.weight("weight", [columns, width_of(x)], dtype)
    return builder(LinearOp(x, weight, builder.weight("bias", [columns], dtype) if biased else None))


@dataclass(frozen=True)
class Linear:
    """A projection; `flat`: of the rows as one matrix, as `addmm` is captured."""

    of: int = 0
    columns: int = 8
    biased: bool = False
    flat: bool = False

    @staticmethod
    def draw(source: Source) -> Linear:
        return Linear(source.below(4), pick(source, WIDTHS), sometimes(source), sometimes(source, 4))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        if not self.flat:
            builder.keep(linear(builder, x, self.columns, self.biased))
            return
        matrix = builder.reshape(x, builder.batch * builder.length, width_of(x))
        product = linear(builder, matrix, self.columns, self.biased)
        builder.keep(builder.reshape(product, builder.batch, builder.length, self.columns))


@dataclass(frozen=True)
class Gated:
    """activation(x gᵀ) · (x uᵀ); `packed`: one weight for both, cut after the product."""

    of: int = 0
    columns: int = 8
    kind: str = "silu"
    packed: bool = False
    spelled: bool = False

    @staticmethod
    def draw(source: Source) -> Gated:
        return Gated(
            source.below(4), pick(source, WIDTHS), pick(source, ACTIVATIONS), sometimes(source, 3), sometimes(source, 3)
        )

    def apply(self, builder: FlowBuilder) -> None:
        x, n = builder.latest(self.of), self.columns
        if self.packed:
            both = linear(builder, x, 2 * n)
            gate, up = builder.columns(both, 0, n), builder.columns(both, n, n)
        else:
            gate, up = linear(builder, x, n), linear(builder, x, n)
        builder.keep(builder.pointwise("mul", activation(builder, gate, self.kind, self.spelled), up))


@dataclass(frozen=True)
class Binary:
    """Two rows of one type: residuals, and values that are used twice."""

    of: int = 0
    other: int = 1
    kind: str = "add"

    @staticmethod
    def draw(source: Source) -> Binary:
        return Binary(source.below(4), source.below(4), pick(source, BINARY))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        builder.keep(builder.pointwise(self.kind, builder.partner(x, self.other), x))


@dataclass(frozen=True)
class Scalar:
    """Rows and one number; `reversed`: the number first."""

    of: int = 0
    kind: str = "mul"
    number: float = 0.5
    reversed: bool = False

    @staticmethod
    def draw(source: Source) -> Scalar:
        numbers = (0.5, 0.0, 1.0, -1.0, 3.25)
        return Scalar(source.below(4), pick(source, BINARY), pick(source, numbers), sometimes(source, 3))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        if self.reversed:
            builder.keep(builder.pointwise(self.kind, builder.number(self.number, dtype_of(x)), x))
        else:
            builder.keep(builder.scaled(self.kind, x, self.number))


@dataclass(frozen=True)
class Column:
    """Rows and a weight with one number a column."""

    of: int = 0
    kind: str = "mul"

    @staticmethod
    def draw(source: Source) -> Column:
        return Column(source.below(4), pick(source, BINARY))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        builder.keep(builder.pointwise(self.kind, x, builder.weight("column", [width_of(x)], dtype_of(x))))


@dataclass(frozen=True)
class Reduction:
    """Rows and what a reduction of them gives: over columns, or over positions or sequences (`axis`)."""

    of: int = 0
    kind: str = "sum"
    axis: int = 2
    then: str = "sub"

    @staticmethod
    def draw(source: Source) -> Reduction:
        return Reduction(source.below(4), pick(source, REDUCTIONS), pick(source, (2, 1, 0)), pick(source, BINARY))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        builder.keep(builder.pointwise(self.then, builder(ReduceOp(self.kind, x, [self.axis])), x))


@dataclass(frozen=True)
class Cast:
    """Rows in another dtype."""

    of: int = 0
    dtype: str = "f32"

    @staticmethod
    def draw(source: Source) -> Cast:
        return Cast(source.below(4), pick(source, ("f32", "bf16", "f16", "f64")))

    def apply(self, builder: FlowBuilder) -> None:
        builder.keep(builder(CastOp(builder.latest(self.of), self.dtype)))


@dataclass(frozen=True)
class Given:
    """Rows that are an argument."""

    columns: int = 8

    def apply(self, builder: FlowBuilder) -> None:
        builder.keep(builder.argument("given", [builder.batch, builder.length, self.columns]))


@dataclass(frozen=True)
class Choice:
    """x where it is larger than a number, else its negative: a comparison and a `where`."""

    of: int = 0
    kind: str = "gt"
    number: float = 0.25

    @staticmethod
    def draw(source: Source) -> Choice:
        return Choice(source.below(4), pick(source, ("gt", "lt", "ge", "le")), pick(source, (0.25, -0.5)))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        condition = builder.pointwise(self.kind, x, builder.number(self.number, dtype_of(x)))
        builder.keep(builder.pointwise("where", condition, x, builder.pointwise("neg", x)))


@dataclass(frozen=True)
class Positions:
    """Rows times the index of their position (or `length` less it), as position tables are made."""

    of: int = 0
    backwards: bool = False

    @staticmethod
    def draw(source: Source) -> Positions:
        return Positions(source.below(4), sometimes(source))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        index = builder(IotaOp(TensorType.of([builder.length], "i64"), 0))
        if self.backwards:
            index = builder.pointwise("sub", builder(DimValueOp(builder.length)), index)
        factor = builder.reshape(builder(CastOp(index, dtype_of(x))), 1, builder.length, 1)
        builder.keep(builder.pointwise("mul", factor, x))


@dataclass(frozen=True)
class Selected:
    """Rows of a table chosen by integer ids, added to rows of their type where there are such."""

    rows: int = 7
    columns: int = 8

    @staticmethod
    def draw(source: Source) -> Selected:
        return Selected(pick(source, (7, 16, 50)), pick(source, WIDTHS))

    def apply(self, builder: FlowBuilder) -> None:
        ids = builder.argument("ids", [builder.batch, builder.length], "i64")
        builder.keep(builder(EmbeddingOp(ids, builder.weight("table", [self.rows, self.columns], builder.dtype))))


@dataclass(frozen=True)
class Mixed:
    """softmax-free attention: (x xᵀ) x, two batched products of values."""

    of: int = 0

    @staticmethod
    def draw(source: Source) -> Mixed:
        return Mixed(source.below(4))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        scores = builder(MatmulOp(x, builder.transpose(x, 0, 2, 1)))
        builder.keep(builder(MatmulOp(builder.scaled("mul", scores, 1 / (1 + width_of(x))), x)))


@dataclass(frozen=True)
class Viewed:
    """A chain of views that comes back to rows, with an op in the middle; see `VIEWS`."""

    of: int = 0
    kind: str = "transpose"

    @staticmethod
    def draw(source: Source) -> Viewed:
        return Viewed(source.below(4), pick(source, tuple(VIEWS)))

    def apply(self, builder: FlowBuilder) -> None:
        builder.keep(VIEWS[self.kind](builder, builder.latest(self.of)))


def _transposed(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    turned = builder.pointwise("tanh", builder.transpose(x, 1, 0, 2))
    return builder.transpose(turned, 1, 0, 2)


def _swapped(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    n = width_of(x)
    regrouped = builder.reshape(builder.transpose(x, 0, 2, 1), builder.batch * n, builder.length)
    back = builder.reshape(builder.pointwise("abs", regrouped), builder.batch, n, builder.length)
    return builder.transpose(back, 0, 2, 1)


def _flattened(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    flat = builder.reshape(x, builder.batch * builder.length * width_of(x))
    return builder.reshape(builder.pointwise("neg", flat), builder.batch, builder.length, width_of(x))


def _every_other(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    return builder.columns(x, 0, -(-width_of(x) // 2), 2)


def _tail(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    return builder.columns(x, width_of(x) // 2, width_of(x) - width_of(x) // 2)


def _doubled(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    joined = builder(ConcatOp([x, builder.pointwise("neg", x)], 2))
    return builder.columns(joined, width_of(x) // 2, width_of(x))


def _turned_halves(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    half = width_of(x) // 2
    pieces = [builder.columns(x, half, width_of(x) - half), builder.columns(x, 0, half)]
    return builder(ConcatOp(pieces if half else pieces[:1], 2))


def _repeated(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    """The last position's row for every position."""
    last = builder(SliceOp(x, [0, builder.length - 1, 0], [builder.batch, 1, width_of(x)]))
    return builder.pointwise("add", x, builder(BroadcastOp(last, tensor_type(x).shape)))


def _split(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    """Columns as [2, n / 2] turned round, where they are even."""
    n = width_of(x)
    groups = 2 if n % 2 == 0 else 1
    cut = builder.transpose(builder.reshape(x, *shape_of(x)[:2], groups, n // groups), 0, 1, 3, 2)
    return builder.reshape(cut, *shape_of(x)[:2], Dim.of(n))


VIEWS = {
    "transpose": _transposed, "swap": _swapped, "flatten": _flattened, "every_other": _every_other, "tail": _tail,
    "double": _doubled, "turn_halves": _turned_halves, "repeat": _repeated, "split": _split,
}  # fmt: skip
