"""Runs a function op by op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from .. import fused
from ..dims import Dim
from ..types import TensorType, is_float, tensor_type
from . import aten, elementwise, experts, lookups, products, reductions, views

RULES: dict[type[Operation], Callable[..., Any]] = {
    op: rule
    for file in (elementwise, views, reductions, products, lookups, experts, aten)
    for op, rule in file.RULES.items()
}
"""Op → a function of the evaluator, the op and its operands, which gives the result, or a list of results."""
TORCH_DTYPES: dict[str, torch.dtype] = {
    "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16,
    "f8E4M3FN": torch.float8_e4m3fn, "f8E5M2": torch.float8_e5m2,
    "i64": torch.int64, "i32": torch.int32, "i16": torch.int16, "i8": torch.int8, "u8": torch.uint8, "i4": torch.int8,
    "i1": torch.bool,
}  # fmt: skip


class UnboundSymbolError(KeyError):
    """A dim symbol that no argument's shape binds."""


@dataclass
class Evaluator:
    """Runs functions of one module. `symbols` binds dim symbols; `float64` as in `run`."""

    module: ModuleOp
    float64: bool = False
    symbols: dict[str, int] = field(default_factory=dict[str, int])

    def dtype(self, type_: TensorType) -> torch.dtype:
        return torch.float64 if self.float64 and is_float(type_.element) else TORCH_DTYPES[type_.dtype]

    def size(self, dim: Dim) -> int:
        try:
            return dim.evaluate(self.symbols)
        except KeyError as error:
            raise UnboundSymbolError(f"dim `{dim}`: symbol {error} is bound by no argument") from error

    def shape(self, type_: TensorType) -> list[int]:
        return [self.size(d) for d in type_.shape]

    def compute(self, *tensors: torch.Tensor) -> torch.dtype:
        """The dtype that arithmetic on the operands is done in."""
        if any(t.dtype == torch.float64 for t in tensors):
            return torch.float64
        if any(t.is_floating_point() for t in tensors):
            return torch.float64 if self.float64 else torch.float32
        return torch.int64

    def bind(self, type_: TensorType, value: torch.Tensor) -> None:
        """Bind the symbols of a type to a tensor's sizes. Raises ValueError where they do not fit."""
        if value.dim() != type_.rank:
            raise ValueError(f"a tensor of rank {value.dim()} for {type_}")
        for dim, size in zip(type_.shape, value.shape, strict=True):
            if str(dim).isidentifier() and not dim.is_const:
                self.symbols.setdefault(str(dim), size)
        for dim, size in zip(type_.shape, value.shape, strict=True):
            if dim.symbols <= self.symbols.keys() and self.size(dim) != size:
                raise ValueError(f"a dim of {size} where the type says {dim} = {self.size(dim)}")

    def call(self, name: str, args: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        function = next(op for op in self.module.ops if isinstance(op, func.FuncOp) and op.sym_name.data == name)
        block = function.body.block
        values: list[torch.Tensor] = []
        for arg, value in zip(block.args, args, strict=True):
            type_ = tensor_type(arg)
            self.bind(type_, value)
            values.append(value.to(self.dtype(type_)))
        return self.block(block, values)

    def block(self, block: Block, args: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The values that the block's terminator takes."""
        env: dict[SSAValue, torch.Tensor] = dict(zip(block.args, args, strict=True))
        uses: dict[SSAValue, int] = {value: value.uses.get_length() for op in block.ops for value in op.results}
        for op in block.ops:
            operands = [env[v] for v in op.operands]
            if isinstance(op, func.ReturnOp | fused.YieldOp):
                return operands
            for value, result in zip(op.results, self.evaluate(op, operands), strict=True):
                env[value] = result
            for value in op.operands:
                uses[value] = uses.get(value, 1 << 30) - 1
                if uses[value] == 0:
                    env.pop(value, None)
        return []

    def evaluate(self, op: Operation, operands: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        if isinstance(op, func.CallOp):
            return self.call(op.callee.root_reference.data, operands)
        rule = RULES.get(type(op))
        if rule is None:
            raise TypeError(f"`{op.name}` has no reference semantics here")
        results = rule(self, op, *operands)
        results = results if isinstance(results, list) else [results]
        return [r.to(self.dtype(tensor_type(v))) for v, r in zip(op.results, results, strict=True)]
