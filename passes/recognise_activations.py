"""GELU and SiLU written out become one pointwise op each.

The argument of the tanh, erf or sigmoid is read as a polynomial in x, and what is done with it as a polynomial in x and
the function's value; so the order and the grouping of the factors do not matter.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from ..ir.flow import CastOp, PointwiseOp
from ..ir.ledger import Ledger
from ..ir.types import is_float, shape_of, tensor_type
from .matching import Before, functions, number, pointwise, replace, users, where, without_widening

RULE = "recognise-activation"
BOUND = "rounds once instead of after each op: no further from float64"
# coefficient of x^i t^j by (i, j)
Polynomial = Mapping[tuple[int, int], float]
X: Polynomial = {(1, 0): 1.0}
T: Polynomial = {(0, 1): 1.0}
_HALF_BOTH: Polynomial = {(1, 0): 0.5, (1, 1): 0.5}
_TANH_SCALE = math.sqrt(2 / math.pi)


@dataclass(frozen=True)
class Activation:
    """`name(x)` = `outer`(x, t) with t = `function`(`inner`(x))."""

    name: str
    function: str
    inner: Polynomial
    outer: Polynomial


ACTIVATIONS = (
    Activation("gelu_tanh", "tanh", {(1, 0): _TANH_SCALE, (3, 0): 0.044715 * _TANH_SCALE}, _HALF_BOTH),
    Activation("gelu", "erf", {(1, 0): math.sqrt(0.5)}, _HALF_BOTH),
    Activation("silu", "sigmoid", X, {(1, 1): 1.0}),
)
FUNCTIONS = frozenset(a.function for a in ACTIVATIONS)


def run(module: ModuleOp, ledger: Ledger) -> None:
    for function in functions(module):
        for op in list(function.body.block.ops):
            if isinstance(op, PointwiseOp) and op.kind.data in FUNCTIONS:
                _recognise(op, ledger)


def _recognise(op: PointwiseOp, ledger: Ledger) -> None:
    for x, activation in _arguments(op):
        root = _root(op, x, activation)
        if root is not None:
            ledger.take(RULE, where(root), activation.name, bound=BOUND)
            emit = Before.replacing(root, [op])
            replace(root, emit(PointwiseOp(activation.name, [x], root.type)))
            return


def _arguments(op: PointwiseOp) -> Iterator[tuple[SSAValue, Activation]]:
    """x and the activation for which `op` is the function of the right polynomial in x."""
    argument = without_widening(op.inputs[0])
    for x in _candidates(argument):
        polynomial = read(argument, {x: X})
        for activation in ACTIVATIONS:
            if activation.function == op.kind.data and polynomial is not None and same(polynomial, activation.inner):
                yield x, activation


def _candidates(value: SSAValue, depth: int = 5) -> list[SSAValue]:
    """The values that `value` may be a polynomial in, nearest first."""
    found = {value: None}
    layer = [value]
    for _ in range(depth):
        owners = [v.owner for v in layer]
        inputs = [i for o in owners if isinstance(o, PointwiseOp) and o.kind.data in _ARITHMETIC for i in o.inputs]
        layer = [without_widening(v) for v in inputs if number(v) is None]
        found |= dict.fromkeys(layer)
    return list(found)


def _root(op: PointwiseOp, x: SSAValue, activation: Activation) -> PointwiseOp | None:
    """The op further down that is the outer polynomial."""
    frontier: list[Operation] = [op]
    for _ in range(4):
        frontier = [u for o in frontier for u in users(o.results[0]) if isinstance(u, CastOp | PointwiseOp)]
        for user in frontier:
            if isinstance(user, PointwiseOp) and user.shape == shape_of(x) and is_float(user.type.element):
                polynomial = read(user.result, {x: X, op.result: T})
                if polynomial is not None and same(polynomial, activation.outer):
                    return user
    return None


# ---- polynomials -----------------------------------------------------------------------------------------------

_ARITHMETIC = ("add", "sub", "mul", "div", "pow", "square", "neg")


def read(value: SSAValue, variables: Mapping[SSAValue, Polynomial], depth: int = 8) -> Polynomial | None:
    """`value` as a polynomial in the variables; None where it is none."""
    value = without_widening(value)
    if value in variables:
        return variables[value]
    constant = number(value)
    if constant is not None:
        return {(0, 0): float(constant)}
    op = pointwise(value, *_ARITHMETIC)
    if op is None and isinstance(value.owner, CastOp) and is_float(tensor_type(value.owner.input).element):
        return read(value.owner.input, variables, depth)
    if op is None or not depth:
        return None
    terms = [read(v, variables, depth - 1) for v in op.inputs]
    known = [t for t in terms if t is not None]
    return _combined(op.kind.data, known) if len(known) == len(terms) else None


def _combined(kind: str, terms: list[Polynomial]) -> Polynomial | None:
    constant = terms[-1].get((0, 0)) if terms[-1].keys() <= {(0, 0)} else None
    match kind:
        case "add" | "sub":
            return _sum(terms[0], terms[1], 1.0 if kind == "add" else -1.0)
        case "neg":
            return _sum({}, terms[0], -1.0)
        case "mul":
            return _product(*terms)
        case "square":
            return _product(terms[0], terms[0])
        case "div" if constant:
            return {power: c / constant for power, c in terms[0].items()}
        case "pow" if constant in (2, 3):
            square = _product(terms[0], terms[0])
            return square if constant == 2 else _product(square, terms[0])
        case _:
            return None


def _sum(a: Polynomial, b: Polynomial, factor: float) -> Polynomial:
    total = defaultdict[tuple[int, int], float](float, a)
    for power, c in b.items():
        total[power] += factor * c
    return total


def _product(a: Polynomial, b: Polynomial) -> Polynomial:
    total = defaultdict[tuple[int, int], float](float)
    for (i, j), c in a.items():
        for (k, m), d in b.items():
            total[i + k, j + m] += c * d
    return total


def same(a: Polynomial, b: Polynomial) -> bool:
    """Equal but for coefficients that were written with six digits or rounded to f32."""
    powers = {p for p, c in a.items() if c} | set(b)
    return all(math.isclose(a.get(p, 0.0), b.get(p, 0.0), rel_tol=2e-6) for p in powers)
