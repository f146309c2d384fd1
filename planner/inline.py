"""Walks @main and the layer functions that it calls: one list of steps over buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from ..ir import flow, tile
from ..ir.layout import Layout, resolve
from ..ir.signature import functions_of
from ..ir.types import TensorType, tensor_type
from ..ir.verify import constant_ops
from .values import Buffer, ConstantRecipe, Ref, Step

Refs = dict[SSAValue, Ref]


class Inliner:
    """`run()` gives what @main returns and fills `steps`. `arguments`: the tensors among @main's arguments. `kernels`: by name."""

    def __init__(self, module: ModuleOp, layouts: Mapping[str, str]):
        self.steps: list[Step] = []
        self.arguments: Refs = {}
        self._functions = functions_of(module)
        self.kernels = {op.sym_name.data: op for op in module.ops if isinstance(op, tile.KernelOp)}
        self._layouts = layouts
        self._main = self._functions["main"]
        self._constant_values = {r for op in constant_ops(self._main) for r in op.results}
        self._constants: list[ConstantRecipe] = []
        self._constant_refs: dict[tuple[SSAValue, str], Ref] = {}
        self._counts = {"output": 0, "aten": 0, "arena": 0}

    def run(self) -> list[Ref | None]:
        """What @main returns; None for what is no tensor."""
        for i, arg in enumerate(self._main.body.block.args):
            if isinstance(arg.type, TensorType):
                self.arguments[arg] = Ref(Buffer("arg", i, arg.type), resolve(arg)[1], arg.type.dtype)
        return self._walk(self._main, dict(self.arguments))

    def new(self, source: str, type_: TensorType) -> Ref:
        """A contiguous value in a buffer of its own."""
        buffer = Buffer(source, self.number(source), type_)
        return Ref(buffer, Layout.contiguous(type_.shape), type_.dtype)

    def number(self, source: str) -> int:
        """The next free number of a source."""
        self._counts[source] += 1
        return self._counts[source] - 1

    def read_constants(self, steps: Sequence[Step]) -> list[ConstantRecipe]:
        """The constants that a step reads, numbered; a folded weight of which only a packed copy is read is none of them."""
        buffers = {ref.buffer for step in steps for ref in step.reads if ref.buffer.source == "constant"}
        read = sorted(buffers, key=lambda buffer: buffer.index)
        recipes = [self._constants[buffer.index] for buffer in read]
        for index, buffer in enumerate(read):
            buffer.index = index
        return recipes

    # ---- functions ---------------------------------------------------------------------------------------------

    def _walk(self, function: func.FuncOp, refs: Refs) -> list[Ref | None]:
        """Appends the function's steps; gives what it returns."""
        for op in function.body.block.ops:
            if any(r in self._constant_values for r in op.results) or isinstance(op, flow.VIEWS):
                continue
            match op:
                case func.ReturnOp():
                    return [self._ref(v, refs) for v in op.arguments]
                case func.CallOp():
                    self._call(op, refs)
                case tile.LaunchOp():
                    self._launch(op, refs)
                case flow.AtenOp():
                    self._aten(op, refs)
                case _:
                    raise TypeError(f"planner: `{op.name}` is no op of the tile level")
        raise TypeError(f"planner: function {function.sym_name.data} does not return")

    def _call(self, op: func.CallOp, refs: Refs) -> None:
        callee = self._functions[op.callee.root_reference.data]
        given = zip(callee.body.block.args, (self._ref(v, refs) for v in op.arguments), strict=True)
        returned = self._walk(callee, {arg: ref for arg, ref in given if ref is not None})
        refs.update((r, ref) for r, ref in zip(op.results, returned, strict=True) if ref is not None)

    def _launch(self, op: tile.LaunchOp, refs: Refs) -> None:
        kernel = self.kernels[op.kernel.root_reference.data]
        aliases = op.aliases
        reads: list[Ref] = []
        for value, arg in zip(op.inputs, kernel.body.args, strict=False):
            ref = self._ref(value, refs)
            assert ref is not None
            assert isinstance(arg.type, tile.BufferType)
            packed = arg.type.layout.data == "packed"
            reads.append(self._packed(ref, value, self._layouts[kernel.sym_name.data]) if packed else ref)
        for i, result in enumerate(op.results):
            refs[result] = reads[aliases[i]] if i in aliases else self.new("arena", tensor_type(result))
        self.steps.append(Step(op, reads, [refs[result] for result in op.results]))

    def _aten(self, op: flow.AtenOp, refs: Refs) -> None:
        reads = [ref for v in op.inputs if (ref := self._ref(v, refs)) is not None]
        writes = [self.new("aten", tensor_type(r)) for r in op.results]
        refs.update(zip(op.results, writes, strict=True))
        self.steps.append(Step(op, reads, writes))

    # ---- values ------------------------------------------------------------------------------------------------

    def _ref(self, value: SSAValue, refs: Refs) -> Ref | None:
        """The value's ref, through views."""
        if value in self._constant_values and value not in refs:
            refs[value] = self._constant(value, "")
        if value in refs:
            return refs[value]
        base, layout = resolve(value)
        ref = self._ref(base, refs) if base is not value else None
        if ref is None:
            return None
        if not ref.at_start or not ref.layout.is_contiguous:
            layout = _view_of(ref, value)
        return Ref(ref.buffer, layout, tensor_type(value).dtype)

    def _constant(self, value: SSAValue, layout: str) -> Ref:
        key = (value, layout)
        if key not in self._constant_refs:
            self._constants.append(ConstantRecipe(value, layout))
            type_ = tensor_type(value)
            buffer = Buffer("constant", len(self._constants) - 1, type_)
            self._constant_refs[key] = Ref(buffer, Layout.contiguous(type_.shape), type_.dtype)
        return self._constant_refs[key]

    def _packed(self, ref: Ref, value: SSAValue, layout: str) -> Ref:
        if layout == "rows" and ref.layout == Layout.contiguous(tensor_type(value).shape):
            return ref
        if ref.buffer.source == "constant":
            return self._constant(self._constants[ref.buffer.index].value, layout)
        if ref.buffer.source != "arg":
            raise TypeError(f"planner: a packed operand that is no weight ({value})")
        return self._constant(self._main.body.block.args[ref.buffer.index], layout)


def _view_of(base: Ref, value: SSAValue) -> Layout:
    """A view of a value that is itself a strided view of its buffer (an argument of a layer function)."""
    chain: list[Operation] = []
    while isinstance(value.owner, flow.VIEWS):
        chain.append(value.owner)
        value = value.owner.operands[0]
    layout: Layout | None = base.layout
    for op in reversed(chain):
        layout = layout.view(op) if layout is not None else None
    if layout is None:
        raise TypeError("planner: a view that cannot be strided was not materialised")
    return layout
