"""Steps over buffers as the runtime's description: slots, launches with barriers, ATen calls, arguments, symbols."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from xdsl.dialects import func

from ..ir import flow, locations, tile
from ..ir.dims import Dim
from ..ir.layout import Layout, resolve
from ..ir.promises import promises_of
from ..ir.signature import dim_of, kind_of, output_views_of, outputs_of, role_of
from ..ir.types import TORCH_NAMES, tensor_type
from ..runtime.artifact import (
    ArgRef,
    ArgSpec,
    AtenCall,
    Chunk,
    Constant,
    DeviceName,
    DimRef,
    Items,
    Kernel,
    Launch,
    NativeStep,
    Number,
    Output,
    ProgramDescription,
    Promise,
    Slot,
    SlotRef,
    Symbol,
    TorchName,
    Value,
)
from .values import Buffer, ConstantRecipe, Ref, Step

PackedType = Callable[[Sequence[int], str, Any], tuple[tuple[int, ...], str]]
"""(shape, dtype, layout) of a weight → shape and dtype of the packed one."""


class Describer:
    """`strided`: the layouts of buffers that are not contiguous."""

    def __init__(
        self,
        main: func.FuncOp,
        kernels: Mapping[str, Kernel],
        constants: Sequence[ConstantRecipe],
        packed_type: PackedType,
        strided: Mapping[Buffer, Layout],
    ):
        self._main = main
        self._kernels = kernels
        self._numbers = {name: i for i, name in enumerate(kernels)}
        self._recipes = constants
        self._packed_type = packed_type
        self._strided = strided
        self._slots: dict[Slot, int] = {}

    def describe(
        self, name: str, steps: Sequence[Step], chunks: Sequence[Dim], tensors: Sequence[Ref]
    ) -> ProgramDescription:
        """The whole description but for the kernels' headers. `tensors`: those returned, in order."""
        described = self._steps(steps)
        args = tuple(self._arg(i) for i in range(len(self._main.body.block.args)))
        written = {w.buffer.index for step in steps for w in step.writes if w.buffer.source == "arg"}
        return ProgramDescription(
            name=name,
            args=args,
            symbols=tuple(self._symbols(args)),
            promises=tuple(Promise(str(p.lhs), p.relation, str(p.rhs)) for p in promises_of(self._main)),
            chunks=tuple(Chunk(str(size)) for size in chunks),
            constants=tuple(self._constant(i) for i in range(len(self._recipes))),
            steps=described,
            outputs=tuple(self._outputs(tensors)),
            slots=tuple(self._slots),
            mutations=tuple(sorted(written)),
            kernels=tuple(self._kernels.values()),
        )

    # ---- steps -------------------------------------------------------------------------------------------------

    def _steps(self, steps: Sequence[Step]) -> tuple[NativeStep | AtenCall, ...]:
        described: list[NativeStep | AtenCall] = []
        launches: list[Launch] = []
        pending = Hazards()
        for step in steps:
            if isinstance(step.op, flow.AtenOp):
                if launches:
                    described.append(NativeStep(tuple(launches)))
                launches, pending = [], Hazards()
                described.append(self._aten_call(step, step.op))
                continue
            if launches and not pending.conflicts(step):
                launches[-1] = Launch(launches[-1].kernel, launches[-1].args, launches[-1].dims, barrier=False)
            else:
                pending = Hazards()
            pending.add(step)
            launches.append(self._launch(step))
        if launches:
            described.append(NativeStep(tuple(launches)))
        return tuple(described)

    def _launch(self, step: Step) -> Launch:
        op = step.op
        assert isinstance(op, tile.LaunchOp)
        aliased = set(op.aliases)
        refs = [*step.reads, *(ref for i, ref in enumerate(step.writes) if i not in aliased)]
        return Launch(
            self._numbers[op.kernel.root_reference.data],
            tuple(self._slot(r) for r in refs),
            tuple(str(d.data) for d in op.dims),
        )

    def _aten_call(self, step: Step, op: flow.AtenOp) -> AtenCall:
        data = json.loads(op.arguments.data)
        operands = [self._slot(r) for r in step.reads]
        return AtenCall(
            op.target.data,
            tuple(_value(a, operands) for a in data["args"]),
            {k: _value(v, operands) for k, v in data["kwargs"].items()},
            tuple(self._slot(r) for r in step.writes if r not in step.reads),
            ", ".join(locations.modules(op)),
            op.reason.data,
        )

    def _outputs(self, tensors: Sequence[Ref]) -> Iterator[Output]:
        rest, views = iter(tensors), iter(output_views_of(self._main))
        table: dict[str, Callable[[str], Output]] = {
            "tensor": lambda _: Output("tensor", slot=self._slot(next(rest))),
            "view": lambda text: Output("tensor", slot=self._view(int(text), *next(views))),
            "none": lambda _: Output("none"),
            "arg": lambda text: Output("arg", arg=int(text)),
            "int": lambda text: Output("int", value=text),
        }
        for text in outputs_of(self._main):
            kind, _, rest_of_it = text.partition(":")
            yield table[kind](rest_of_it)

    # ---- values ------------------------------------------------------------------------------------------------

    def _slot(self, ref: Ref) -> int:
        buffer = ref.buffer
        if buffer.source in ("output", "aten"):  # the buffer's own slot comes first and describes it
            own = self._strided.get(buffer) or Layout.contiguous(buffer.type.shape)
            self._slot_of(buffer, own, buffer.type.dtype)
        return self._slot_of(buffer, ref.layout, ref.dtype)

    def _slot_of(self, buffer: Buffer, layout: Layout, dtype: str) -> int:
        if buffer.source == "constant" and self._recipes[buffer.index].layout:
            layout = Layout.contiguous(self._constant(buffer.index).shape)
        sizes, strides = tuple(map(str, layout.sizes)), tuple(map(str, layout.strides))
        slot = Slot(buffer.source, buffer.index, TORCH_NAMES[dtype], sizes, strides, str(layout.offset))  # pyright: ignore[reportArgumentType]
        return self._slots.setdefault(slot, len(self._slots))

    def _view(self, arg: int, sizes: tuple[Dim, ...], strides: tuple[Dim, ...], offset: tuple[Dim, ...]) -> int:
        """A slot in an argument's memory."""
        type_ = tensor_type(self._main.body.block.args[arg])
        return self._slot_of(Buffer("arg", arg, type_), Layout(sizes, strides, offset[0]), type_.dtype)

    def _constant(self, index: int) -> Constant:
        recipe = self._recipes[index]
        type_ = tensor_type(recipe.value)
        shape, dtype = tuple(d.value for d in type_.shape), TORCH_NAMES[type_.dtype]
        if recipe.layout:
            shape, dtype = self._packed_type(shape, dtype, recipe.layout)
        name = recipe.value.name_hint or "constant"
        return Constant(f"{name}_{index}" + (f"_{recipe.layout}" if recipe.layout else ""), dtype, shape)

    def _arg(self, index: int) -> ArgSpec:
        arg = self._main.body.block.args[index]
        name, kind = arg.name_hint or f"arg{index}", kind_of(arg)
        if kind != "tensor":
            return ArgSpec(name, kind)
        type_ = tensor_type(arg)
        shape, strides = tuple(map(str, type_.shape)), tuple(map(str, resolve(arg)[1].strides))
        return ArgSpec(name, "tensor", TORCH_NAMES[type_.dtype], shape, strides, role_of(arg))

    def _symbols(self, args: Sequence[ArgSpec]) -> list[Symbol]:
        """Where each symbol is read: an int argument that carries it, else a dimension that is just the symbol."""
        found: dict[str, Symbol] = {}
        for i in range(len(args)):
            dim = dim_of(self._main.body.block.args[i])
            if dim is not None and str(dim).isidentifier():
                found.setdefault(str(dim), Symbol(str(dim), i, low=None))
        for i, spec in enumerate(args):
            for j, size in enumerate(spec.shape):
                if size.isidentifier():
                    found.setdefault(size, Symbol(size, i, j))
        return list(found.values())


class Hazards:
    """What the launches since the last barrier read and wrote."""

    def __init__(self) -> None:
        self.read: set[tuple[str, int]] = set()
        self.written: set[tuple[str, int]] = set()

    def conflicts(self, step: Step) -> bool:
        """Whether a step must wait for one of them."""
        reads, writes = {r.place for r in step.reads}, {r.place for r in step.writes}
        return bool(writes & (self.read | self.written) or reads & self.written)

    def add(self, step: Step) -> None:
        """One launch more."""
        self.read |= {r.place for r in step.reads}
        self.written |= {r.place for r in step.writes}


def _value(node: Any, operands: Sequence[int]) -> Value:
    """A node of a `flow.aten`'s JSON as the runtime's description of an argument."""
    if isinstance(node, list):
        return Items(tuple(_value(n, operands) for n in node))
    if not isinstance(node, dict):
        return node
    ((tag, value),) = node.items()
    table: dict[str, Callable[[Any], Value]] = {
        "tensor": lambda i: SlotRef(operands[i]),
        "dim": lambda text: DimRef(str(text)),
        "dtype": TorchName,
        "layout": TorchName,
        "memory_format": TorchName,
        "device": DeviceName,
        "float": lambda text: Number(str(text)),
        "arg": ArgRef,
    }
    return table[tag](value)
