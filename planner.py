"""Memory planning: a module at the tile level becomes a `ProgramDescription`.

Calls of layer functions are inlined into one list of launches; every value gets a slot (a strided view of an argument,
a constant, an output or a chunk of the arena); chunks are shared by values with disjoint lifetimes; a barrier stands
only between launches that depend on each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from .ir import flow, locations, tile
from .ir.dims import Dim, product
from .ir.layout import Layout, resolve
from .ir.signature import dim_of, functions_of, kind_of, mutations_of, output_strides_of, outputs_of, role_of
from .ir.types import BITS, TensorType, tensor_type
from .ir.verify import constant_ops
from .runtime.artifact import (
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
    Slot,
    SlotRef,
    Symbol,
    TorchName,
    Value,
)

TORCH_NAMES: dict[str, str] = {
    "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16", "f8E4M3FN": "float8_e4m3fn",
    "f8E5M2": "float8_e5m2", "i64": "int64", "i32": "int32", "i16": "int16", "i8": "int8", "u8": "uint8", "i4": "int8",
    "i1": "bool",
}  # fmt: skip


@dataclass(eq=False)
class Buffer:
    """Memory that values live in. `index` is its number among those of its source."""

    source: str
    index: int
    type: TensorType
    last: int = 0


@dataclass(frozen=True, eq=False)
class Ref:
    """A value: a layout in a buffer."""

    buffer: Buffer
    layout: Layout
    dtype: str

    @property
    def at_start(self) -> bool:
        return self.layout.offset == Dim()


@dataclass(frozen=True)
class ConstantRecipe:
    """A constant: the value of an op on weights (or a weight argument), packed for `layout` where given."""

    value: SSAValue
    layout: str = ""


@dataclass
class Step:
    """One launch or ATen call in program order, with the buffers it reads and writes."""

    op: Operation
    reads: list[Ref]
    writes: list[Ref]
    symbols: dict[str, Dim] = field(default_factory=dict[str, Dim])


class Planner:
    """Plans one module. `layouts`: how each kernel reads its packed weights.

    `packed_type(N, K, dtype, layout)`: their shape and dtype.
    """

    def __init__(
        self,
        module: ModuleOp,
        kernels: dict[str, Kernel],
        layouts: Mapping[str, str],
        packed_type: Callable[[int, int, str, Any], tuple[tuple[int, ...], str]],
    ):
        self.functions = functions_of(module)
        self.kernel_ops = {op.sym_name.data: op for op in module.ops if isinstance(op, tile.KernelOp)}
        self.main = self.functions["main"]
        self.kernels = kernels
        self.kernel_numbers = {name: i for i, name in enumerate(kernels)}
        self.layouts = layouts
        self.packed_type = packed_type
        self.constants: list[ConstantRecipe] = []
        self.constant_refs: dict[tuple[SSAValue, str], Ref] = {}
        self.counts = {"output": 0, "aten": 0, "arena": 0}
        self.steps: list[Step] = []
        self.strided: dict[Buffer, Layout] = {}
        self.slots: dict[tuple[Any, ...], int] = {}
        self.slot_list: list[Slot] = []

    # -- walking --------------------------------------------------------------------------------------------------

    def plan(self, name: str) -> tuple[ProgramDescription, list[ConstantRecipe]]:
        """The description, and how each constant is computed."""
        block = self.main.body.block
        refs: dict[SSAValue, Ref] = {}
        for i, arg in enumerate(block.args):
            if isinstance(arg.type, TensorType):
                refs[arg] = Ref(Buffer("arg", i, arg.type), resolve(arg)[1], arg.type.dtype)
        self.constant_values = {r for op in constant_ops(self.main) for r in op.results}
        returned = self._walk(self.main, refs)
        self._write_back(returned, refs)
        outputs = self._outputs(returned)
        self._drop_unread_constants()
        self._lifetimes([ref for ref in returned if ref is not None])
        chunks = self._chunks()
        steps = self._native_steps()
        args = tuple(self._arg(i) for i in range(len(block.args)))
        description = ProgramDescription(
            name=name,
            args=args,
            symbols=tuple(self._symbols(args)),
            chunks=tuple(Chunk(str(c)) for c in chunks),
            constants=tuple(self._constant(i, recipe) for i, recipe in enumerate(self.constants)),
            steps=steps,
            outputs=outputs(),
            slots=tuple(self.slot_list),
            mutations=tuple(
                i
                for i in range(len(block.args))
                if any(w.buffer.source == "arg" and w.buffer.index == i for s in self.steps for w in s.writes)
            ),
            kernels=tuple(self.kernels.values()),
        )
        return description, self.constants

    def _walk(self, function: func.FuncOp, refs: dict[SSAValue, Ref]) -> list[Ref | None]:
        """Appends the function's steps; gives the refs of what it returns."""
        for op in function.body.block.ops:
            if any(r in self.constant_values for r in op.results) or isinstance(op, flow.VIEWS):
                continue
            if isinstance(op, func.ReturnOp):
                return [self._ref(v, refs) for v in op.arguments]
            if isinstance(op, func.CallOp):
                callee = self.functions[op.callee.root_reference.data]
                inner: dict[SSAValue, Ref] = {
                    arg: ref
                    for arg, v in zip(callee.body.block.args, op.arguments, strict=True)
                    if (ref := self._ref(v, refs)) is not None
                }
                refs.update(
                    {r: ref for r, ref in zip(op.results, self._walk(callee, inner), strict=True) if ref is not None}
                )
            elif isinstance(op, tile.LaunchOp):
                self._launch(op, refs)
            elif isinstance(op, flow.AtenOp):
                self._aten(op, refs)
            else:
                raise TypeError(f"planner: `{op.name}` is no op of the tile level")
        raise TypeError(f"planner: function {function.sym_name.data} does not return")

    def _ref(self, value: SSAValue, refs: dict[SSAValue, Ref]) -> Ref | None:
        """The value's ref, through views."""
        if value in self.constant_values and value not in refs:
            refs[value] = self._constant_ref(value, "")
        if value in refs:
            return refs[value]
        base, layout = resolve(value)
        ref = self._ref(base, refs) if base is not value else None
        if ref is None:
            return None
        if not ref.at_start or not ref.layout.is_contiguous:
            layout = self._compose(value, ref)
        return Ref(ref.buffer, layout, tensor_type(value).dtype)

    def _compose(self, value: SSAValue, base: Ref) -> Layout:
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

    def _constant_ref(self, value: SSAValue, layout: str) -> Ref:
        key = (value, layout)
        if key not in self.constant_refs:
            self.constants.append(ConstantRecipe(value, layout))
            type_ = tensor_type(value)
            buffer = Buffer("constant", len(self.constants) - 1, type_)
            self.constant_refs[key] = Ref(buffer, Layout.contiguous(type_.shape), type_.dtype)
        return self.constant_refs[key]

    def _new(self, source: str, type_: TensorType) -> Ref:
        buffer = Buffer(source, self.counts[source], type_)
        self.counts[source] += 1
        return Ref(buffer, Layout.contiguous(type_.shape), type_.dtype)

    def _launch(self, op: tile.LaunchOp, refs: dict[SSAValue, Ref]) -> None:
        kernel = self.kernel_ops[op.kernel.root_reference.data]
        aliases = op.aliases
        reads: list[Ref] = []
        for value, arg in zip(op.inputs, kernel.body.args, strict=False):
            ref = self._ref(value, refs)
            assert ref is not None
            assert isinstance(arg.type, tile.BufferType)
            if arg.type.layout.data == "packed":
                ref = self._packed(ref, value, self.layouts[kernel.sym_name.data])
            reads.append(ref)
        writes: list[Ref] = []
        for i, result in enumerate(op.results):
            refs[result] = reads[aliases[i]] if i in aliases else self._new("arena", tensor_type(result))
            writes.append(refs[result])
        self.steps.append(Step(op, reads, writes))

    def _packed(self, ref: Ref, value: SSAValue, layout: str) -> Ref:
        if layout == "rows" and ref.layout == Layout.contiguous(tensor_type(value).shape):
            return ref
        if ref.buffer.source == "constant":
            return self._constant_ref(self.constants[ref.buffer.index].value, layout)
        if ref.buffer.source != "arg":
            raise TypeError(f"planner: a packed operand that is no weight ({value})")
        return self._constant_ref(self.main.body.block.args[ref.buffer.index], layout)

    def _aten(self, op: flow.AtenOp, refs: dict[SSAValue, Ref]) -> None:
        reads = [ref for v in op.inputs if (ref := self._ref(v, refs)) is not None]
        writes = [self._new("aten", tensor_type(r)) for r in op.results]
        refs.update(zip(op.results, writes, strict=True))
        self.steps.append(Step(op, reads, writes))

    def _drop_unread_constants(self) -> None:
        """Numbers the constants that a step reads: a folded weight of which only a packed copy is read is none of them."""
        buffers = {ref.buffer for step in self.steps for ref in step.reads if ref.buffer.source == "constant"}
        read = sorted(buffers, key=lambda buffer: buffer.index)
        self.constants = [self.constants[buffer.index] for buffer in read]
        for index, buffer in enumerate(read):
            buffer.index = index

    # -- outputs, lifetimes, chunks -------------------------------------------------------------------------------

    def _write_back(self, returned: Sequence[Ref | None], refs: dict[SSAValue, Ref]) -> None:
        """Stores mutated arguments' new values in them, where a kernel has not written them in place."""
        for position, index in mutations_of(self.main):
            value, target = returned[position], refs[self.main.body.block.args[index]]
            assert value is not None
            if value.buffer is not target.buffer:
                self.steps.append(
                    Step(_call("aten.copy_.default", "an argument that the model writes to"), [target, value], [target])
                )

    def _outputs(self, returned: Sequence[Ref | None]) -> Callable[[], tuple[Output, ...]]:
        """Turns returned arena buffers into outputs; the outputs themselves are known once slots are."""
        kinds = outputs_of(self.main)
        strides = output_strides_of(self.main)
        tensors: list[Ref] = []
        for i, ref in enumerate(returned[: kinds.count("tensor")]):
            assert ref is not None
            if ref.buffer.source == "arena":
                ref.buffer.source, ref.buffer.index = "output", self.counts["output"]
                self.counts["output"] += 1
            if ref.buffer.source in ("arg", "constant") or (strides is not None and not _same(ref.layout, strides[i])):
                ref = self._fresh(ref, strides[i] if strides is not None else None)
            tensors.append(ref)

        def build() -> tuple[Output, ...]:
            rest = iter(tensors)
            table: dict[str, Callable[[str], Output]] = {
                "tensor": lambda _: Output("tensor", slot=self._slot(next(rest))),
                "none": lambda _: Output("none"),
                "arg": lambda text: Output("arg", arg=int(text)),
                "int": lambda text: Output("int", value=text),
            }
            return tuple(table[kind.partition(":")[0]](kind.partition(":")[2]) for kind in kinds)

        return build

    def _fresh(self, ref: Ref, strides: tuple[Dim, ...] | None) -> Ref:
        """A copy of its own, with the strides PyTorch expects."""
        made = self._new("aten", TensorType.of(ref.layout.sizes, ref.dtype))
        layout = made.layout if strides is None else Layout(ref.layout.sizes, strides, Dim())
        made = Ref(made.buffer, layout, ref.dtype)
        self.strided[made.buffer] = layout
        sizes = [{"dim": str(d)} for d in layout.sizes], [{"dim": str(d)} for d in layout.strides]
        empty = json.dumps({"args": [{"tensor": 0}, *sizes], "kwargs": {}})
        reason = "a result with strides of its own"
        self.steps.append(Step(_call("aten.new_empty_strided.default", reason, empty), [ref], [made]))
        self.steps.append(Step(_call("aten.copy_.default", reason), [made, ref], [made]))
        return made

    def _lifetimes(self, returned: Sequence[Ref]) -> None:
        for i, step in enumerate(self.steps):
            for ref in step.writes:
                ref.buffer.last = max(ref.buffer.last, i)
            for ref in step.reads:
                ref.buffer.last = max(ref.buffer.last, i)
        for ref in returned:
            ref.buffer.last = len(self.steps)

    def _chunks(self) -> list[Dim]:
        """Chunk sizes in bytes; renumbers arena buffers to chunks. A chunk is taken again after its last reader."""
        sizes: list[Dim] = []
        free: dict[Dim, list[int]] = {}
        expiring: dict[int, list[tuple[Dim, int]]] = {}
        seen: set[int] = set()
        for i, step in enumerate(self.steps):
            for size, chunk in expiring.pop(i - 1, []):
                free.setdefault(size, []).append(chunk)
            for ref in step.writes:
                buffer = ref.buffer
                if buffer.source != "arena" or id(buffer) in seen:
                    continue
                seen.add(id(buffer))
                size = product(buffer.type.shape) * (BITS[buffer.type.dtype] // 8)
                if free.get(size):
                    chunk = free[size].pop()
                else:
                    sizes.append(size)
                    chunk = len(sizes) - 1
                buffer.index = chunk
                expiring.setdefault(max(buffer.last, i), []).append((size, chunk))
        return sizes

    # -- emission -------------------------------------------------------------------------------------------------

    def _slot(self, ref: Ref) -> int:
        layout = ref.layout
        buffer = ref.buffer
        if buffer.source in ("output", "aten"):  # the buffer's own slot comes first and describes it
            own = self.strided.get(buffer) or Layout.contiguous(buffer.type.shape)
            self._slot_of(buffer, own, buffer.type.dtype)
        return self._slot_of(buffer, layout, ref.dtype)

    def _slot_of(self, buffer: Buffer, layout: Layout, dtype: str) -> int:
        shape = tuple(map(str, layout.sizes))
        strides = tuple(map(str, layout.strides))
        if buffer.source == "constant":
            recipe = self._constant(buffer.index, self.constants[buffer.index])
            if self.constants[buffer.index].layout:
                shape, strides = (
                    tuple(map(str, recipe.shape)),
                    tuple(map(str, Layout.contiguous([Dim.of(n) for n in recipe.shape]).strides)),
                )
        slot = Slot(buffer.source, buffer.index, TORCH_NAMES[dtype], shape, strides, str(layout.offset))  # pyright: ignore[reportArgumentType]
        key = (slot.source, slot.index, slot.dtype, slot.shape, slot.strides, slot.offset)
        if key not in self.slots:
            self.slots[key] = len(self.slot_list)
            self.slot_list.append(slot)
        return self.slots[key]

    def _native_steps(self) -> tuple[NativeStep | AtenCall, ...]:
        steps: list[NativeStep | AtenCall] = []
        launches: list[Launch] = []
        pending = _Hazards()
        for step in self.steps:
            if isinstance(step.op, flow.AtenOp):
                if launches:
                    steps.append(NativeStep(tuple(launches)))
                launches, pending = [], _Hazards()
                steps.append(self._aten_call(step))
                continue
            if launches and not pending.conflicts(step):
                launches[-1] = Launch(launches[-1].kernel, launches[-1].args, launches[-1].dims, barrier=False)
            else:
                pending = _Hazards()
            pending.add(step)
            launches.append(self._launch_of(step))
        if launches:
            steps.append(NativeStep(tuple(launches)))
        return tuple(steps)

    def _launch_of(self, step: Step) -> Launch:
        op = step.op
        assert isinstance(op, tile.LaunchOp)
        aliased = set(op.aliases)
        refs = [*step.reads, *(ref for i, ref in enumerate(step.writes) if i not in aliased)]
        return Launch(
            self.kernel_numbers[op.kernel.root_reference.data],
            tuple(self._slot(r) for r in refs),
            tuple(str(d.data) for d in op.dims),
        )

    def _aten_call(self, step: Step) -> AtenCall:
        op = step.op
        assert isinstance(op, flow.AtenOp)
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

    def _constant(self, index: int, recipe: ConstantRecipe) -> Constant:
        type_ = tensor_type(recipe.value)
        shape, dtype = tuple(d.value for d in type_.shape), TORCH_NAMES[type_.dtype]
        if recipe.layout:
            shape, dtype = self.packed_type(shape[0], shape[1], dtype, recipe.layout)
        name = recipe.value.name_hint or "constant"
        return Constant(f"{name}_{index}" + (f"_{recipe.layout}" if recipe.layout else ""), dtype, shape)

    def _arg(self, index: int) -> ArgSpec:
        arg = self.main.body.block.args[index]
        type_ = tensor_type(arg)
        layout = resolve(arg)[1]
        name = arg.name_hint or f"arg{index}"
        kind = kind_of(arg)
        if kind != "tensor":
            return ArgSpec(name, kind)
        return ArgSpec(
            name,
            "tensor",
            TORCH_NAMES[type_.dtype],
            tuple(map(str, type_.shape)),
            tuple(map(str, layout.strides)),
            role_of(arg),
        )

    def _symbols(self, args: Sequence[ArgSpec]) -> list[Symbol]:
        """Where each symbol is read: an int argument that carries it, else a dimension that is just the symbol."""
        found: dict[str, Symbol] = {}
        for i in range(len(args)):
            dim = dim_of(self.main.body.block.args[i])
            if dim is not None and str(dim).isidentifier():
                found.setdefault(str(dim), Symbol(str(dim), i))
        for i, spec in enumerate(args):
            for j, size in enumerate(spec.shape):
                if size.isidentifier():
                    found.setdefault(size, Symbol(size, i, j))
        return list(found.values())


def _call(
    target: str, reason: str, arguments: str = '{"args": [{"tensor": 0}, {"tensor": 1}], "kwargs": {}}'
) -> flow.AtenOp:
    """An ATen call that the planner itself adds; its operands are the step's reads."""
    return flow.AtenOp(target, arguments, reason, [], [])


def _same(layout: Layout, strides: tuple[Dim, ...]) -> bool:
    """Whether the strides say the same addresses; those of dims of 1 do not count."""
    one = Dim.of(1)
    return all(a == b or n == one for n, a, b in zip(layout.sizes, layout.strides, strides, strict=True))


class _Hazards:
    """What the launches since the last barrier read and wrote."""

    def __init__(self) -> None:
        self.read: set[tuple[str, int]] = set()
        self.written: set[tuple[str, int]] = set()

    def conflicts(self, step: Step) -> bool:
        reads = {(r.buffer.source, r.buffer.index) for r in step.reads}
        writes = {(r.buffer.source, r.buffer.index) for r in step.writes}
        return bool(writes & (self.read | self.written) or reads & self.written)

    def add(self, step: Step) -> None:
        self.read |= {(r.buffer.source, r.buffer.index) for r in step.reads}
        self.written |= {(r.buffer.source, r.buffer.index) for r in step.writes}


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
