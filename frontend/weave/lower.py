"""Syntax tree → flow module: names, shapes and dtypes are checked where they are used, and every fault points there.

Guaranteed: one argument a parameter, in order, with its role; symbolic sizes keep their names; each op carries the
statement's name and line; an appended `cache` parameter is written back; results have the strides in which they are
computed. Raises WeaveError.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FunctionType, IntAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, BlockArgument, Operation, Region, SSAValue

from ...ir import flow
from ...ir.dims import Dim
from ...ir.locations import location
from ...ir.promises import demand
from ...ir.signature import argument_attributes
from ...ir.types import shape_of
from ..build import tensor
from . import tree
from .einsum import lower_einsum
from .errors import Source, Span, WeaveError
from .expressions import CONSTANTS, OPERATORS, Expressions, count, describe, describe_type, nearest
from .functions import DTYPES, FUNCTIONS, Operand


def lower(program: tree.Program, source: Source, *, weights: bool = True) -> ModuleOp:
    """The flow module of a program's block. Without `weights`, weight parameters are inputs. Raises WeaveError."""
    lowering = Lowering(program, source, weights)
    try:
        return lowering.run()
    except RecursionError:
        span = lowering.block.name.span
        raise WeaveError("an expression is too long", span, source, "name parts of the expression") from None


class Lowering(Expressions):
    """The lowering of one block: its parameters, statements and results."""

    def __init__(self, program: tree.Program, source: Source, constant_weights: bool):
        super().__init__(source)
        self.constant_weights = constant_weights
        self.block = self.one_block(program)
        self.body = Block()
        self.places: dict[str, Span] = {}
        for epilogue in program.epilogues:
            self.epilogue(epilogue)

    def one_block(self, program: tree.Program) -> tree.Block:
        if len(program.blocks) == 1:
            return program.blocks[0]
        if program.blocks:
            raise self.error("a second block", program.blocks[1].name.span, "a file holds one block")
        hint = "write `block name(x: f32[B, D]) -> f32[B, D] { return x }`"
        raise self.error("there is no block in this file", Span(1, 1, 1, 2), hint)

    # ---- definitions -------------------------------------------------------------------------------------------

    def define(self, name: tree.Name, kind: str) -> None:
        """Notes where a name is defined. Raises WeaveError where it means something already."""
        if name.name in self.places:
            line = self.places[name.name].line
            hint = "each name stands for one value: choose another"
            raise self.error(f"{kind} `{name.name}` is already defined in line {line}", name.span, hint)
        if name.name in self.dims:
            raise self.error(f"{kind} `{name.name}` has the name of a dim", name.span, "choose another name")
        if name.name in CONSTANTS:
            raise self.error(f"`{name.name}` is a constant of the language", name.span, "choose another name")
        self.places[name.name] = name.span

    def epilogue(self, epilogue: tree.Epilogue) -> None:
        name = epilogue.name.name
        if name in OPERATORS or name in FUNCTIONS or name in self.epilogues:
            raise self.error(f"`{name}` is already defined", epilogue.name.span, "choose another name")
        seen: set[str] = set()
        for parameter in epilogue.parameters:
            if parameter.name in seen:
                raise self.error(f"parameter `{parameter.name}` is written twice", parameter.span)
            seen.add(parameter.name)
        self.check_epilogue(epilogue, seen)
        self.epilogues[name] = epilogue

    def check_epilogue(self, epilogue: tree.Epilogue, parameters: set[str]) -> None:
        """An epilogue is pointwise: functions of its parameters and numbers."""
        for node in tree.walk(epilogue.value):
            if isinstance(node, tree.Name) and node.name not in {*parameters, *CONSTANTS, *DTYPES}:
                hint = nearest(node.name, parameters) or f"its parameters are {', '.join(sorted(parameters)) or 'none'}"
                raise self.error(f"an epilogue knows its parameters only, not `{node.name}`", node.span, hint)
            if isinstance(node, tree.Index | tree.ListOf):
                raise self.error("an epilogue computes each element by itself", node.span, "write the parameter alone")
            if isinstance(node, tree.Call) and node.name in OPERATORS:
                hint = "call it in the block, and the epilogue on what it gives"
                raise self.error(f"`{node.name}` is no pointwise function", node.at, hint)
            if isinstance(node, tree.Call) and node.name not in FUNCTIONS and node.name not in self.epilogues:
                raise self.error(f"there is no function `{node.name}`", node.at, nearest(node.name, self.callables))

    def run(self) -> ModuleOp:
        """The module."""
        attributes = self.parameters()
        returned: tree.Return | None = None
        for statement in self.block.statements:
            if returned is not None:
                raise self.error("nothing can follow `return`", statement.span, "it is the last statement of a block")
            if isinstance(statement, tree.Return):
                returned = statement
            else:
                self.statement(statement)
        if returned is None:
            at = self.block.statements[-1].span if self.block.statements else self.block.name.span
            raise self.error("the block does not end with `return`", at, "end it with `return value`")
        return self.finish(self.results(returned), attributes)

    # ---- parameters --------------------------------------------------------------------------------------------

    def parameters(self) -> list[DictionaryAttr]:
        """The arguments of @main and their attributes."""
        types = [p.type for p in self.block.params]
        self.declare_dims([*types, *self.block.results])
        attributes: list[DictionaryAttr] = []
        for param in self.block.params:
            self.define(param.name, "parameter")
            shape = [self.dim(spec) for spec in param.type.dims]
            if param.role == "weight":
                self.require_known(param, shape)
            dtype = self.dtype(param.type.dtype)
            argument = self.body.insert_arg(tensor(tuple(shape), dtype), len(self.body.args))
            argument.name_hint = param.name.name
            if param.role == "cache":
                self.caches.add(argument)
            role = param.role if param.role != "weight" or self.constant_weights else "input"
            if role == "weight":
                self.weights.add(argument)
            self.values[param.name.name] = argument
            name = StringAttr(param.name.name)
            attributes.append(DictionaryAttr({**argument_attributes(role).data, "weave.name": name}))
        return attributes

    def declare_dims(self, types: Sequence[tree.Type]) -> None:
        """Sizes first, then the symbols that stand alone as a dim of a parameter."""
        specs = [spec for type_ in types for spec in type_.dims]
        for spec in specs:
            if spec.size is None or not isinstance(spec.dim, tree.Name):
                continue
            known = self.dims.get(spec.dim.name)
            if spec.dim.name in CONSTANTS:
                raise self.error(f"`{spec.dim.name}` is a constant of the language", spec.span, "choose another name")
            if known is not None and known.value != spec.size:
                hint = "a dim has one size: write it once, or use two names"
                raise self.error(f"dim `{spec.dim.name}` has the size {known} already", spec.span, hint)
            self.dims[spec.dim.name] = Dim.of(spec.size)
        for param in self.block.params:
            for spec in param.type.dims:
                if isinstance(spec.dim, tree.Name) and spec.dim.name not in CONSTANTS:
                    self.dims.setdefault(spec.dim.name, Dim.of(spec.dim.name))

    def require_known(self, param: tree.Param, shape: Sequence[Dim]) -> None:
        for spec, dim in zip(param.type.dims, shape, strict=True):
            if not dim.is_const:
                hint = f"give it a size, such as `{min(dim.symbols)}=1024`, or leave out `weight`"
                raise self.error(f"a weight has known sizes, and `{dim}` has none", spec.span, hint)

    def dim(self, spec: tree.DimSpec) -> Dim:
        """The dim that a piece of a type says."""
        return self.dim_of(spec.dim)

    def check_type(self, value: SSAValue, type_: tree.Type, at: Span, what: str) -> None:
        """Raises WeaveError where a value has not the type that is written."""
        wanted = tensor(tuple(self.dim(spec) for spec in type_.dims), self.dtype(type_.dtype))
        if value.type == wanted:
            return
        same_shape = wanted.shape == shape_of(value)
        hint = f"write `(...) as {wanted.dtype}`" if same_shape else ""
        raise self.error(f"{what} is {describe(value)}, and {describe_type(wanted)} is declared", at, hint)

    # ---- statements --------------------------------------------------------------------------------------------

    def statement(self, statement: tree.Let | tree.Einsum) -> None:
        name = statement.name.name
        self.define(statement.name, "value")
        self.location = location(f"{self.block.name.name}.{name}", self.source.name, statement.span.line)
        if isinstance(statement, tree.Einsum):
            value: Operand = lower_einsum(self, statement)
        else:
            value = self.expr(statement.value)
            if statement.type is not None:
                value = self.tensor_of(value, statement.value.span)
                self.check_type(value, statement.type, statement.value.span, f"`{name}`")
        if isinstance(value, SSAValue) and value.name_hint is None:
            value.name_hint = name
        self.values[name] = value
        self.flush()

    def flush(self) -> None:
        self.body.add_ops(self.ops)
        self.ops = []

    def results(self, statement: tree.Return) -> list[SSAValue]:
        declared = self.block.results
        self.location = location(f"{self.block.name.name}.return", self.source.name, statement.span.line)
        if len(declared) != len(statement.values):
            what = f"{count(len(statement.values), 'value')} returned, {count(len(declared), 'result')} declared"
            raise self.error(what, statement.span, "after `->`, write one type for each: `-> (f32[B], f32[B])`")
        values: list[SSAValue] = []
        for expression, type_ in zip(statement.values, declared, strict=True):
            value = self.tensor_of(self.expr(expression), expression.span)
            self.check_type(value, type_, expression.span, "the result")
            values.append(value)
        self.flush()
        return values

    def finish(self, values: Sequence[SSAValue], attributes: Sequence[DictionaryAttr]) -> ModuleOp:
        outputs = [f"arg:{v.index}" if isinstance(v, BlockArgument) else "tensor" for v in values]
        returned = [v for v in values if not isinstance(v, BlockArgument)]
        mutations: list[ArrayAttr[IntAttr]] = []
        for argument, value in self.appended.items():
            mutations.append(ArrayAttr([IntAttr(len(returned)), IntAttr(argument.index)]))
            returned.append(value)
        self.body.add_op(ReturnOp(*returned))
        _erase_unused(self.body)
        types = FunctionType.from_lists([a.type for a in self.body.args], [v.type for v in returned])
        function = FuncOp("main", types, Region(self.body), arg_attrs=ArrayAttr(attributes))
        function.attributes["weave.outputs"] = ArrayAttr(StringAttr(o) for o in outputs)
        function.attributes["weave.mutations"] = ArrayAttr(mutations)
        demand(function)
        return ModuleOp([function])


def _erase_unused(block: Block) -> None:
    for op in reversed(list[Operation](block.ops)):
        if isinstance(op, flow.FlowOp) and not op.result.uses.get_length():
            op.detach()
            op.erase()
