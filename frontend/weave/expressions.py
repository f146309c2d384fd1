"""Expressions → flow ops: names are looked up, dtypes and shapes checked, and each fault points at its part."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

from xdsl.ir import BlockArgument, SSAValue
from xdsl.utils.exceptions import VerifyException

from ...ir import flow
from ...ir.dims import Dim
from ...ir.pointwise import POINTWISE
from ...ir.types import broadcast_shapes, dtype_of, shape_of
from ..build import Builder, tensor
from ..errors import Unsupported
from . import attention, experts, operators, tree
from .errors import Fault, Source, Span, WeaveError
from .functions import FUNCTIONS, PRELUDE, Operand, Space, dtype_named, fold, pointwise_dtype
from .signature import table

OPERATORS = table(operators, attention, experts)
CONSTANTS: dict[str, float | bool] = {"true": True, "false": False, "inf": float("inf")}


def _is_at_most(a: Dim, b: Dim) -> bool:
    """Of sizes of a program nothing is known but what they are."""
    return (b - a).is_const and (b - a).value >= 0


class _Checked(Builder):
    """A builder whose ops are verified as they are made."""

    def emit(self, op: flow.FlowOp) -> SSAValue:
        op.verify_()
        return super().emit(op)


class Expressions(_Checked):
    """What is known where an expression stands, and how to compute it; the operators of the language are functions of it.

    `space`: the indices that elements are computed over, None where whole tensors stand. `locals`: the parameters of an
    epilogue, or the score of an attention.
    """

    def __init__(self, source: Source):
        super().__init__(_is_at_most)
        self.source = source
        self.dims: dict[str, Dim] = {}
        self.values: dict[str, Operand] = {}
        self.epilogues: dict[str, tree.Epilogue] = {e.name.name: e for e in PRELUDE.epilogues}
        self.space: Space | None = None
        self.locals: Mapping[str, Operand] | None = None
        self.caches: set[BlockArgument] = set()
        self.appended: dict[BlockArgument, SSAValue] = {}

    def error(self, what: str, at: Span, hint: str = "") -> WeaveError:
        return WeaveError(what, at, self.source, hint)

    @property
    def callables(self) -> list[str]:
        return [*OPERATORS, *FUNCTIONS, *self.epilogues]

    def dim_of(self, expression: tree.Expr) -> Dim:
        """A size: a number, a dim, or arithmetic on them."""
        if isinstance(expression, tree.Name) and expression.name not in self.dims:
            if expression.name in self.values:
                raise self.error(f"`{expression.name}` is a value, no dim", expression.span)
            hint = nearest(expression.name, self.dims) or "a dim is one that stands alone in the type of a parameter"
            raise self.error(f"there is no dim `{expression.name}`", expression.span, hint)
        value = self.expr(expression)
        if isinstance(value, bool | float | SSAValue):
            raise self.error("a size is a whole number or a dim", expression.span, "such as `B`, `1024` or `2 * D`")
        dim = Dim.of(value)
        if dim.is_const and dim.value < 0:
            raise self.error(f"a size of {dim}", expression.span, "sizes are not negative")
        return dim

    def dtype(self, name: tree.Name) -> str:
        try:
            return dtype_named(name.name)
        except Fault as fault:
            raise self.error(fault.what, name.span, fault.hint) from None

    def expr(self, node: tree.Expr) -> Operand:
        """The value of an expression. Raises WeaveError that points at the part that does not fit."""
        try:
            return _RULES[type(node)](self, node)
        except Fault as fault:
            raise self.error(fault.what, node.span, fault.hint) from None
        except (Unsupported, VerifyException, ValueError, ZeroDivisionError, OverflowError) as refusal:
            raise self.error(_first_line(str(refusal)), node.span) from None

    def tensor_of(self, value: Operand, at: Span) -> SSAValue:
        """A value that is a tensor. Raises WeaveError for a number."""
        if isinstance(value, SSAValue):
            return value
        raise self.error(f"expected a tensor, got {describe(value)}", at)

    def number(self, node: tree.Number) -> Operand:
        return node.value

    def name(self, node: tree.Name) -> Operand:
        if self.locals is not None and node.name in self.locals:
            return self.locals[node.name]
        if self.space is not None and node.name in self.space.sizes:
            return self.position(self.space, node.name)
        if node.name in self.values:
            value = self.values[node.name]
            if self.space is not None and isinstance(value, SSAValue) and shape_of(value):
                indices = ", ".join("ijklmn"[: len(shape_of(value))])
                raise Fault(f"`{node.name}` is a tensor, and here stand elements", f"write `{node.name}[{indices}]`")
            return value
        if node.name in self.dims:
            dim = self.dims[node.name]
            return dim.value if dim.is_const else dim
        if node.name in CONSTANTS:
            return CONSTANTS[node.name]
        known = [*(self.locals or ()), *(self.space.sizes if self.space else ()), *self.values, *self.dims]
        callable_ = "it is a function: write its arguments in parentheses" if node.name in self.callables else ""
        raise Fault(f"there is no value `{node.name}`", callable_ or nearest(node.name, known))

    def over(self, node: tree.Expr, space: Space) -> SSAValue:
        """An expression computed over a space: a tensor that broadcasts to its shape."""
        with self.within(space, {}):
            return self.tensor_of(self.expr(node), node.span)

    def position(self, space: Space, index: str) -> SSAValue:
        """The index itself as a number, along its axis."""
        axes = [space.sizes[i] if i == index else Dim.of(1) for i in space.sizes]
        return self.reshape(self.iota(space.sizes[index]), axes)

    def index(self, node: tree.Index) -> Operand:
        if self.space is None:
            raise Fault(f"`{node.name}[...]` is an element, and here stand whole tensors", _INDEX_HINT)
        return self.aligned(self.element(node), [i.name for i in node.indices], self.space)

    def element(self, node: tree.Index) -> SSAValue:
        """The tensor that an indexed access reads. Raises WeaveError where the number of its indices is another."""
        value = self.values.get(node.name)
        if value is None:
            raise self.error(f"there is no value `{node.name}`", node.span, nearest(node.name, self.values))
        tensor_ = self.tensor_of(value, node.span)
        rank = len(shape_of(tensor_))
        if rank != len(node.indices):
            what = f"{count(len(node.indices), 'index', 'indices')} for `{node.name}`, which is {describe(tensor_)}"
            raise self.error(what, node.span, f"write {count(rank, 'index', 'indices')}")
        return tensor_

    def aligned(self, value: SSAValue, indices: Sequence[str], space: Space) -> SSAValue:
        """A tensor with its axes in the order of the space, and dims of 1 for the indices it has not."""
        order = sorted(range(len(indices)), key=lambda i: space.axis(indices[i]))
        shape = [space.sizes[i] if i in indices else Dim.of(1) for i in space.sizes]
        return self.reshape(self.transpose(value, order), shape)

    def list_of(self, node: tree.ListOf) -> Operand:
        raise Fault("a list stands as an argument of an operator only", "such as `reshape(x, [B, S, H, D])`")

    def unary(self, node: tree.Unary) -> Operand:
        return self.apply({"-": "neg", "!": "not"}[node.operator], [self.expr(node.operand)])

    def binary(self, node: tree.Binary) -> Operand:
        kind = _OPERATORS[node.operator]
        operands = [self.expr(node.lhs), self.expr(node.rhs)]
        if kind == "pow" and operands[1] == 2 and isinstance(operands[0], SSAValue):
            return self.apply("square", operands[:1])
        return self.apply(kind, operands)

    def cast_of(self, node: tree.Cast) -> Operand:
        value, dtype = self.expr(node.value), self.dtype(node.dtype)
        return self.cast(value, dtype) if isinstance(value, SSAValue) else self.scalar(value, dtype)

    def apply(self, kind: str, operands: Sequence[Operand]) -> Operand:
        """A pointwise function. Numbers take the dtype of the tensors they meet; of numbers alone it gives a number."""
        folded = fold(kind, operands)
        if folded is not None:
            return folded
        given = [self.scalar(v, "f32") if isinstance(v, Dim) else v for v in operands]
        given = operands if any(isinstance(v, SSAValue) for v in operands) else given
        dtype, result = pointwise_dtype(kind, given)
        shapes = [shape_of(v) for v in given if isinstance(v, SSAValue)]
        if broadcast_shapes(shapes) is None:
            texts = " and ".join(describe(v) for v in given if isinstance(v, SSAValue))
            raise Fault(f"{texts} do not broadcast", "dims are matched from the last; a dim of 1 repeats")
        values = [v if isinstance(v, SSAValue) else self.scalar(v, dtype) for v in given]
        return self.pointwise(kind, *values, dtype=result)

    # ---- calls -------------------------------------------------------------------------------------------------

    def call(self, node: tree.Call) -> Operand:
        if node.name in self.epilogues:
            return self.inline(self.epilogues[node.name], node)
        if node.name in FUNCTIONS:
            return self.apply(FUNCTIONS[node.name], self.positional(node, POINTWISE[FUNCTIONS[node.name]].arity))
        if node.name not in OPERATORS:
            hint = "a conversion is written `x as f32`" if node.name == "cast" else nearest(node.name, self.callables)
            raise self.error(f"there is no operator `{node.name}`", node.at, hint)
        if self.space is not None:
            hint = "compute it in a statement of its own, and read its elements here"
            raise self.error(f"`{node.name}` takes whole tensors, and here stand elements", node.at, hint)
        return self.operator(node)

    def positional(self, node: tree.Call, arity: int) -> list[Operand]:
        """The arguments of a pointwise function."""
        for argument in node.arguments:
            if argument.name:
                raise self.error(f"`{node.name}` takes no argument by name", argument.span, "write the value alone")
        if len(node.arguments) != arity:
            what = f"`{node.name}` takes {count(arity, 'argument')}, got {len(node.arguments)}"
            hint = "of one tensor's elements, take `amax` or `amin`" if node.name in ("max", "min") else ""
            raise self.error(what, node.span, hint)
        return [self.expr(argument.value) for argument in node.arguments]

    def inline(self, epilogue: tree.Epilogue, node: tree.Call) -> Operand:
        names = [p.name for p in epilogue.parameters]
        values = self.positional(node, len(names))
        with self.within(self.space, dict(zip(names, values, strict=True))):
            return self.expr(epilogue.value)

    @contextmanager
    def within(self, space: Space | None, names: Mapping[str, Operand]) -> Generator[None]:
        """Meanwhile expressions are computed over a space, with more names known."""
        before = self.space, self.locals
        self.space, self.locals = space, names
        try:
            yield
        finally:
            self.space, self.locals = before

    def operator(self, node: tree.Call) -> Operand:
        operator = OPERATORS[node.name]
        spans = {name: argument.span for name, argument in self.bound(node).items()}
        try:
            given = {name: operator.parameters[name].read(self, a.value) for name, a in self.bound(node).items()}
            return operator.rule(self, **given)
        except Fault as fault:
            raise self.error(fault.what, spans.get(fault.argument, node.span), fault.hint) from None

    def bound(self, node: tree.Call) -> dict[str, tree.Argument]:
        """The arguments of an operator by its parameters' names."""
        operator = OPERATORS[node.name]
        names = list(operator.parameters)
        found: dict[str, tree.Argument] = {}
        for position, argument in enumerate(node.arguments):
            if not argument.name and position >= len(names):
                what = f"`{node.name}` takes {count(len(names), 'argument')}, got {len(node.arguments)}"
                raise self.error(what, argument.span, operator.signature)
            name = argument.name or names[position]
            if name not in names:
                hint = nearest(name, names) or operator.signature
                raise self.error(f"`{node.name}` has no parameter `{name}`", argument.span, hint)
            if name in found:
                raise self.error(f"`{name}` of `{node.name}` is given twice", argument.span, operator.signature)
            found[name] = argument
        missing = [n for n in names if n not in found and operator.parameters[n].required]
        if missing:
            raise self.error(f"`{node.name}` lacks its argument `{missing[0]}`", node.span, operator.signature)
        return found


_RULES: dict[type[tree.Node], Callable[[Expressions, tree.Node], Operand]] = {
    tree.Number: Expressions.number, tree.Name: Expressions.name, tree.Call: Expressions.call, tree.Index: Expressions.index,
    tree.ListOf: Expressions.list_of, tree.Unary: Expressions.unary, tree.Binary: Expressions.binary,
    tree.Cast: Expressions.cast_of,
}  # fmt: skip # pyright: ignore[reportAssignmentType]
_OPERATORS = {
    "+": "add", "-": "sub", "*": "mul", "/": "div", "//": "floor_div", "%": "mod", "**": "pow", "<": "lt", "<=": "le",
    ">": "gt", ">=": "ge", "==": "eq", "!=": "ne", "&&": "and", "||": "or",
}  # fmt: skip
_INDEX_HINT = "indices stand in einsum statements (`C[m, n] = ...`) and in the score and mask of `attention`"


def describe_type(type_: flow.TensorType) -> str:
    """As it is written in a program: `bf16[B, S, 1024]`."""
    return f"{type_.dtype}[{', '.join(map(str, type_.shape))}]"


def describe(value: Operand) -> str:
    """A value in words."""
    if isinstance(value, SSAValue):
        return describe_type(tensor(shape_of(value), dtype_of(value)))
    return f"the size {value}" if isinstance(value, Dim) else f"the number {value}"


def count(number: int, word: str, several: str = "") -> str:
    """For example `1 value`, `2 values`."""
    return f"{number} {word if number == 1 else several or word + 's'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at a name that is nearly this one; empty where there is none."""
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean `{near[0]}`?" if near else ""


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "it does not fit")
