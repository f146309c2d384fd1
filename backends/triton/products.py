"""Products of tiles: which operands go into `tl.dot` in 16 bits, and how f32 operands do.

- Both operands are 16-bit numbers of one type (loads, conversions): they stay so, accumulated in f32; i8 numbers in i32.
- One is bf16, the other f32 (attention's weights): the f32 tile goes in as the sum of two bf16 ones, which leaves an error
  of |a|·2^-17; an infinity in it gives NaN.
- A scale between a load and its product is applied to the product.
- Two f32 tiles: by the precision that is asked for, `ieee` unless the caller allows `tf32`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xdsl.ir import Operation, SSAValue

from ...ir import tile
from .expressions import held

Mode = Literal["exact", "split", "wide"]


@dataclass(frozen=True)
class Product:
    """How a dot is printed. `a`: its left operand, without a `factor` that the result is multiplied with."""

    mode: Mode
    a: SSAValue
    factor: SSAValue | None = None


class Products:
    """The dots of a kernel, and what they make of other ops."""

    def __init__(self, kernel: tile.KernelOp) -> None:
        self.of = {op: _product(op) for op in kernel.walk() if isinstance(op, tile.DotOp)}

    def is_needed(self, op: tile.PointwiseOp) -> bool:
        """Whether anybody reads the op's result: not where it is a scale of products only."""
        uses = [use.operation for use in op.result.uses]
        return not uses or not all(isinstance(u, tile.DotOp) and self._scales(u, op) for u in uses)

    def is_read_exact(self, value: SSAValue) -> bool:
        """Whether a product or a store takes the 16-bit numbers of a value that has such."""
        stored = any(_is_copied(use.operation, value) for use in value.uses)
        return stored or any(
            value in _factors(product, op) and product.mode != "wide" for op, product in self.readers(value)
        )

    def is_read_wide(self, value: SSAValue) -> bool:
        """Whether anybody reads the numbers of a value in f32 (f64)."""
        uses = [use.operation for use in value.uses]
        others = [op for op in uses if not (isinstance(op, tile.DotOp) or self._is_scale(op) or _is_copied(op, value))]
        return bool(others) or any(
            op.accumulator is value or (value in _factors(product, op) and product.mode == "wide")
            for op, product in self.readers(value)
        )

    def readers(self, value: SSAValue) -> list[tuple[tile.DotOp, Product]]:
        """The products that have the value as an operand, or its scaled tile."""
        uses = [use.operation for use in value.uses]
        uses += [use.operation for op in uses if self._is_scale(op) for use in op.results[0].uses]
        return [(op, self.of[op]) for op in uses if isinstance(op, tile.DotOp)]

    def _is_scale(self, op: Operation) -> bool:
        return isinstance(op, tile.PointwiseOp) and not self.is_needed(op)

    def _scales(self, dot: tile.DotOp, op: tile.PointwiseOp) -> bool:
        return self.of[dot].factor is not None and dot.a is op.result and dot.b is not op.result


def _is_copied(op: Operation, value: SSAValue) -> bool:
    """Whether the op stores the value in its own 16-bit type."""
    return isinstance(op, tile.StoreOp) and tile.element_dtype(op.buffer) == tile.exact_dtype(value)


def _factors(product: Product, op: tile.DotOp) -> tuple[SSAValue, SSAValue]:
    return product.a, op.b


def _product(op: tile.DotOp) -> Product:
    right = tile.exact_dtype(op.b)
    if held(tile.element_dtype(op.result)) == "f64" or not (right or tile.exact_dtype(op.a)):
        return Product("wide", op.a)
    if tile.exact_dtype(op.a) == right:
        return Product("exact", op.a)
    scaled = tile.scaled(op)
    if scaled is not None and tile.exact_dtype(scaled.inputs[0]) == right:
        return Product("exact", scaled.inputs[0], scaled.inputs[1])
    kinds = {tile.exact_dtype(op.a), right}
    return Product("split" if kinds == {"", "bf16"} else "wide", op.a)
