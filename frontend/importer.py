"""An AOT graph (FX) → a module with `func.func @main` in `flow`, one rule a node.

Guaranteed: one block argument a placeholder, in order (`ir/signature.py` says what the attributes mean; `weave.name`
is a readable name, such as `model.norm.weight`); every op carries its module path and source line; the results are the
graph's tensor outputs followed by the values of its mutations; an op the table cannot say is one `flow.aten` with its
reason. Raises GraphUnsupportedError where no module can say the graph.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.utils._python_dispatch import _disable_current_modes
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FunctionType, IntAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, BlockArgument, Region, SSAValue

from ..ir import flow
from ..ir.dims import Dim
from ..ir.promises import demand
from ..ir.signature import Kind, Role, argument_attributes, sizes_attribute
from ..ir.types import DimAttr, TensorType, dims_attr, dtype_of, shape_of
from . import complex_pairs
from .aten_calls import bound, encode, used_results
from .aten_table import TABLE
from .build import DTYPES, Builder, Value, tensor
from .errors import GraphUnsupportedError, Unsupported
from .origins import node_location
from .placeholders import base_of, check_bound, contiguous, device_name, device_of, suggest_names
from .symbols import Symbols, expression

PARTS = {torch.complex64: torch.float32, torch.complex128: torch.float64}


def import_graph(
    gm: GraphModule,
    names: Sequence[str] | None = None,
    roles: Sequence[Role] | None = None,
    relations: Sequence[Any] | None = None,
    left: Mapping[Node, str] = MappingProxyType({}),
) -> ModuleOp:
    """The module of an AOT graph; `names` and `roles` are those of its placeholders, in order.

    `relations`: what the graph demands of its sizes (sympy), for the program to check. Without them somebody else does:
    Dynamo, by its guards. `left`: nodes that are left to PyTorch whatever the table says of them, with the reason.
    """
    return _Importer(gm, names, roles, relations, left).run()


@dataclass(frozen=True)
class Opaque:
    """What a node stands for that is no plain tensor: complex, sparse, on another device, a submodule. `argument`: that of
    the function, if it is one."""

    argument: BlockArgument | None = None


class _Importer:
    def __init__(
        self,
        gm: GraphModule,
        names: Sequence[str] | None,
        roles: Sequence[Role] | None,
        relations: Sequence[Any] | None,
        left: Mapping[Node, str],
    ):
        self.gm = gm
        self.relations = relations
        self.left = left
        self.refused: dict[Node, str] = {}
        self.placeholders = [n for n in gm.graph.nodes if n.op == "placeholder"]
        self.names = list(names or [n.name for n in self.placeholders])
        self.roles: Sequence[Role] = roles if roles is not None else ("input",) * len(self.placeholders)
        self.device = device_of(gm)
        self.symbols = Symbols()
        self.builder = Builder(self.symbols.at_most)
        self.env: dict[Node, Any] = {}
        self.block = Block()
        self.arguments: list[DictionaryAttr] = []
        self.outputs: list[str] = []
        self.returned: list[Value] = []
        self.strides: list[tuple[Dim, ...]] = []
        self.views: list[ArrayAttr[ArrayAttr[DimAttr]]] = []
        self.bases: list[Node] = []
        self.offsets: list[Dim] = []
        self.mutations: dict[BlockArgument, Value] = {}

    def run(self) -> ModuleOp:
        suggest_names(self.symbols, self.placeholders, self.roles)
        for node, name, role in zip(self.placeholders, self.names, self.roles, strict=True):
            self.placeholder(node, name, role)
        handlers: dict[str, Callable[[Node], None]] = {
            "placeholder": lambda node: None,
            "get_attr": self.constant,
            "call_function": self.call,
            "output": self.output,
        }
        for node in self.gm.graph.nodes:
            try:
                handlers.get(node.op, self.unknown)(node)
            except Unsupported as refusal:
                self.refuse(node, str(refusal))
        if self.refused:
            node, reason = next(iter(self.refused.items()))
            opaque = [node for node, value in self.env.items() if isinstance(value, _NOT_PLAIN)]
            raise GraphUnsupportedError(f"`{node.format_node()}`: {reason}", self.refused, opaque)
        return self.finish()

    def unknown(self, node: Node) -> None:
        raise Unsupported(f"a graph node of kind `{node.op}`")

    def refuse(self, node: Node, reason: str) -> None:
        """Notes a node that the module cannot say. What stands for its value lets the nodes behind it be looked at."""
        self.refused[node] = reason
        self.env[node] = self.stand_in(node.meta.get("val"), bool(_QUANTISED.search(str(node.target))))

    def stand_in(self, value: Any, quantised: bool = False) -> Any:
        if isinstance(value, tuple | list):
            return [self.stand_in(v) for v in value]
        try:
            if isinstance(value, torch.Tensor) and not quantised:
                self.symbols.admit(value.shape)
                return self.block.insert_arg(self.type_of(value), len(self.block.args))
            if isinstance(value, torch.SymInt):
                self.symbols.admit([value])
                return self.scalar(value)
        except Unsupported:
            pass
        return Opaque()

    # ---- arguments ---------------------------------------------------------------------------------------------

    def placeholder(self, node: Node, name: str, role: Role) -> None:
        """An argument; one that is no plain tensor is ignored, and whatever reads it is PyTorch's."""
        value = node.meta.get("val")
        is_tensor = isinstance(value, torch.Tensor)
        type_, strides, dim = tensor((), "i64"), None, None
        plain = True
        try:
            if is_tensor:
                self.symbols.admit(value.shape)
                type_ = self.type_of(value)
                strides = None if contiguous(value) else self.symbols.dims(value.stride())
            elif isinstance(value, torch.SymInt):
                self.symbols.admit([value])
                dim = self.symbols.dim(value)
        except Unsupported:
            type_, plain = tensor((), "i64"), False
        argument = self.block.insert_arg(type_, len(self.block.args))
        argument.name_hint = node.name
        if is_tensor and plain and role == "weight":
            self.builder.weights.add(argument)
        kind: Kind = "ignored" if not plain else "tensor" if is_tensor else "int" if dim is not None else "ignored"
        self.env[node] = Opaque(argument) if not plain else argument if is_tensor else self.given_number(value)
        attributes = argument_attributes(role, kind, dim, strides)
        self.arguments.append(DictionaryAttr({**attributes.data, "weave.name": StringAttr(ascii_text(name))}))

    def given_number(self, value: Any) -> Any:
        try:
            return self.scalar(value)
        except Unsupported:
            return Opaque()

    def type_of(self, value: torch.Tensor, part: bool = False) -> TensorType:
        """The type of a tensor; of one part of a complex one."""
        dtype = PARTS.get(value.dtype, value.dtype) if part else value.dtype
        if dtype not in DTYPES:
            raise Unsupported(f"a tensor of {value.dtype}")
        if value.layout != torch.strided or value.is_quantized:
            raise Unsupported(f"a tensor of layout {value.layout}")
        if (device := device_name(value)) != self.device:
            raise Unsupported(f"a tensor on {device} among those on {self.device}")
        return tensor(self.symbols.dims(value.shape), DTYPES[dtype])

    def scalar(self, value: Any) -> Any:
        """A SymInt as a dim; a SymFloat or SymBool that is settled as a number; a number as itself."""
        if isinstance(value, torch.SymInt):
            dim = self.symbols.dim(value)
            return dim.value if dim.is_const else dim
        if isinstance(value, torch.SymFloat | torch.SymBool):
            expr = expression(value)
            if getattr(expr, "free_symbols", True):
                raise Unsupported(f"`{expr}`, computed from sizes")
            return float(expr) if isinstance(value, torch.SymFloat) else bool(expr)
        return value

    def constant(self, node: Node) -> None:
        value: Any = self.gm
        for part in str(node.target).split("."):
            value = getattr(value, part)
        fill = fill_value(value) if isinstance(value, torch.Tensor) else None
        if fill is None or value.dtype not in DTYPES:
            self.env[node] = Opaque()  # a submodule of a higher-order operator, or numbers of no type that kernels know
            return
        self.builder.start(node_location(node.meta))
        shape = [Dim.of(d) for d in value.shape]
        self.env[node] = self.builder.constant(fill, DTYPES[value.dtype], shape)
        self.block.add_ops(self.builder.ops)

    # ---- calls -------------------------------------------------------------------------------------------------

    def call(self, node: Node) -> None:
        value = node.meta.get("val")
        target = node.target
        if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool | int | float | bool):
            self.env[node] = self.scalar(value) if node.users else None
        elif getattr(target, "__name__", "") == "getitem" and isinstance(node.args[0], Node):
            source = self.env[node.args[0]]
            self.env[node] = self.stand_in(value) if isinstance(source, Opaque) else source[node.args[1]]
        elif target is torch.ops.aten.copy_.default and node.args[0] in self.placeholders:
            self.mutate(node)
        elif value is None and not node.users:
            if not _says_nothing_new(node):
                raise Unsupported("an operator that is called for its side effect")
        elif isinstance(target, torch._ops.HigherOrderOperator):
            raise Unsupported("a higher-order operator")
        elif _QUANTISED.search(str(target)):
            raise Unsupported("a quantised operator")
        elif not isinstance(target, torch._ops.OpOverload):
            raise Unsupported("an operator that is no ATen overload")
        elif target._schema.is_mutable:
            raise Unsupported("an operator that writes to its arguments")
        else:
            self.env[node] = self.operator(node, target)

    def operator(self, node: Node, target: torch._ops.OpOverload) -> Any:
        value = node.meta["val"]
        several = isinstance(value, tuple | list)
        metas = list(value) if several else [value]
        is_complex = any(isinstance(v, torch.Tensor) and v.dtype in PARTS for v in metas)
        outs = tuple(self.type_of(v, part=is_complex) if isinstance(v, torch.Tensor) else None for v in metas)
        self.builder.start(node_location(node.meta), outs, used_results(node, len(outs)))
        args, kwargs = self.mapped(node.args), self.mapped(node.kwargs)
        if _reads_opaque([args, kwargs]):
            raise Unsupported("it reads a value that is no plain tensor")
        if node in self.left:
            if is_complex or complex_pairs.contains(args):
                raise Unsupported(self.left[node])
            results = self.left[node]
        elif is_complex or complex_pairs.contains(args):
            results = [complex_pairs.apply(self.builder, str(target), bound(target, args, kwargs))]
        else:
            results = self.imported(target, args, kwargs)
        if isinstance(results, str):
            self.builder.abandon()
            results = self.left_to_pytorch(target, args, kwargs, results)
        for op in self.builder.ops:
            self.block.add_op(op)
        for i, result in enumerate(results):
            if isinstance(result, SSAValue) and result.name_hint is None:
                result.name_hint = f"{node.name}_{i}" if several else node.name
        return results if several else results[0]

    def imported(self, target: torch._ops.OpOverload, args: Any, kwargs: Any) -> list[Any] | str:
        """The results of the rule, with the types PyTorch gives them, or the reason why there are none."""
        rule = TABLE.get(str(target))
        if rule is None:
            return "no rule for this operator"
        try:
            values = rule(self.builder, *bound(target, args, kwargs))
            values = [values] if isinstance(values, SSAValue) else values
            outs, used = self.builder.outs, self.builder.used
            return [self.builder.fit(v, o) if u else v for v, o, u in zip(values, outs, used, strict=True)]
        except Unsupported as refusal:
            return str(refusal)

    def left_to_pytorch(self, target: torch._ops.OpOverload, args: Any, kwargs: Any, reason: str) -> list[Any]:
        """One `flow.aten`; results that are no tensors are None."""
        operands: list[Value] = []
        arguments = json.dumps({"args": encode(list(args), operands), "kwargs": encode(dict(kwargs), operands)})
        types = [o for o in self.builder.outs if o is not None]
        op = flow.AtenOp(str(target), arguments, reason, operands, types)
        op.location = self.builder.location
        self.builder.ops.append(op)
        values = iter(op.outputs)
        return [None if o is None else next(values) for o in self.builder.outs]

    def mapped(self, value: Any) -> Any:
        """Arguments with nodes replaced by what they stand for."""
        if isinstance(value, Node):
            return self.env[value]
        if isinstance(value, Mapping):
            return {key: self.mapped(v) for key, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.mapped(v) for v in value]
        return value

    # ---- results -----------------------------------------------------------------------------------------------

    def mutate(self, node: Node) -> None:
        """`copy_(argument, value)`: the value becomes a function result to be stored in the argument."""
        argument, value = self.env[node.args[0]], self.env[node.args[1]]  # pyright: ignore[reportArgumentType]
        if not isinstance(argument, BlockArgument) or not isinstance(value, SSAValue):
            raise Unsupported("it writes a value that is no plain tensor")
        self.builder.start(node_location(node.meta))
        value = self.builder.cast(value, dtype_of(argument))
        value = self.builder.broadcast(value, shape_of(argument))
        self.block.add_ops(self.builder.ops)
        self.mutations[argument] = value
        self.env[node] = value

    def output(self, node: Node) -> None:
        outputs: Any = node.args[0] if isinstance(node.args[0], list | tuple) else [node.args[0]]
        for output in outputs:
            value = self.env[output] if isinstance(output, Node) else output
            if (
                isinstance(value, complex_pairs.Pair | Opaque)
                and isinstance(output, Node)
                and output.op != "placeholder"
            ):
                self.refuse(output, "a result that is no plain tensor")
                continue
            given = isinstance(output, Node) and output.op == "placeholder"
            text = self.result(value, given=given)
            if text == "tensor" and isinstance(output, Node) and isinstance(value, SSAValue):
                text = self.tensor_result(output, value)
            self.outputs.append(text)

    def tensor_result(self, output: Node, value: Value) -> str:
        """A view of an argument is not computed: it is the argument's memory, which the caller may write to."""
        base, meta = base_of(output), output.meta["val"]
        argument = self.env[base]
        untouched = isinstance(argument, BlockArgument) and argument not in self.mutations
        if base in self.placeholders and untouched and meta.dtype == base.meta["val"].dtype:
            offset = meta.storage_offset() - base.meta["val"].storage_offset()
            places = (meta.shape, meta.stride(), [offset])
            self.views.append(ArrayAttr(dims_attr(self.symbols.dims(dims)) for dims in places))
            return f"view:{argument.index}"
        self.returned.append(value)
        self.strides.append(self.symbols.dims(meta.stride()))
        self.bases.append(base)
        self.offsets.append(self.symbols.dim(meta.storage_offset()))
        return "tensor"

    def places(self) -> dict[str, Attribute]:
        """Which results share memory, and where each begins in it: as far as somebody can tell."""
        stored = [self.env.get(base) for base in self.bases]
        seen = [
            self.bases.count(base) > 1 or any(v is value for v in self.mutations.values())
            for base, value in zip(self.bases, stored, strict=True)
        ]
        offsets = [offset if s else Dim() for offset, s in zip(self.offsets, seen, strict=True)]
        numbers = [self.bases.index(base) for base in self.bases]
        if numbers == list(range(len(numbers))) and not any(o != Dim() for o in offsets):
            return {}
        return {"weave.output_bases": ArrayAttr(map(IntAttr, numbers)), "weave.output_offsets": dims_attr(offsets)}

    def result(self, value: Any, *, given: bool) -> str:
        """What the caller gets, as `weave.outputs` says it. `given`: it is an argument itself, and no copy of one."""
        argument = value.argument if isinstance(value, Opaque) else value
        if given and isinstance(argument, BlockArgument):
            return f"arg:{argument.index}"
        if isinstance(value, SSAValue):
            return "tensor"
        if value is None:
            return "none"
        if isinstance(value, Dim | int) and not isinstance(value, bool):
            return f"int:{value}"
        raise Unsupported(f"a result of type {type(value).__name__}")

    def sizes(self) -> dict[str, int]:
        """What the symbols were when the graph was captured."""
        values = [node.meta.get("val") for node in self.placeholders]
        sizes = [size for v in values for size in (v.shape if isinstance(v, torch.Tensor) else (v,))]
        return {name: n for size in sizes for name, n in self.symbols.seen(size).items()}

    def finish(self) -> ModuleOp:
        check_bound(self.placeholders, self.symbols)
        pairs: list[ArrayAttr[IntAttr]] = []
        for argument, value in self.mutations.items():
            pairs.append(ArrayAttr([IntAttr(len(self.returned)), IntAttr(argument.index)]))
            self.returned.append(value)
        self.block.add_op(ReturnOp(*self.returned))
        erase_unused(self.block)
        types = FunctionType.from_lists([a.type for a in self.block.args], [v.type for v in self.returned])
        function = FuncOp("main", types, Region(self.block), arg_attrs=ArrayAttr(self.arguments))
        if self.device != "cpu":
            function.attributes["weave.device"] = StringAttr(self.device)
        if sizes := self.sizes():
            function.attributes["weave.sizes"] = sizes_attribute(sizes)
        function.attributes["weave.outputs"] = ArrayAttr(StringAttr(o) for o in self.outputs)
        if self.views:
            function.attributes["weave.output_views"] = ArrayAttr(self.views)
        function.attributes["weave.output_strides"] = ArrayAttr(dims_attr(s) for s in self.strides)
        function.attributes.update(self.places())
        function.attributes["weave.mutations"] = ArrayAttr(pairs)
        if self.relations is None:
            demand(function, at_most=self.symbols.at_most)
        else:
            demand(function, [p for relation in self.relations for p in self.symbols.promises(relation)])
        return ModuleOp([function])


_NOT_PLAIN = (Opaque, complex_pairs.Pair, float, bool)
"""What stands for values that are no plain tensors and no sizes."""


_QUANTISED = re.compile(r"^quantized|_quantized|\.quantize_per_|\._make_per_")
"""Operators whose results are quantised tensors, which look like plain ones while a graph is traced."""


def _reads_opaque(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_reads_opaque, value.values()))
    return any(map(_reads_opaque, value)) if isinstance(value, list) else isinstance(value, Opaque)


def _says_nothing_new(node: Node) -> bool:
    """Whether a node without a result only states what the graph's sizes and types say already."""
    name = str(node.target)
    if "constrain_range" in name or "_assert_tensor_metadata" in name:
        return True
    condition = node.args[0].meta.get("val") if node.args and isinstance(node.args[0], Node) else None
    symbols = getattr(expression(condition), "free_symbols", ())
    return "_assert_scalar" in name and not any(s.name.startswith(("u", "zuf")) for s in symbols)


def erase_unused(block: Block) -> None:
    """Drop pure ops whose results nobody reads."""
    for op in reversed(list(block.ops)):
        if isinstance(op, flow.FlowOp) and not op.result.uses.get_length():
            op.detach()
            op.erase()


def ascii_text(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def fill_value(value: torch.Tensor) -> int | float | None:
    """The number that all elements of a constant are (0 where it has none); None where they differ."""
    with _disable_current_modes():
        if not value.numel():
            return 0
        numbers = value.flatten()
        first = numbers[:1]
        same = numbers == first
        if value.is_floating_point():  # 0.0 and -0.0 are equal, and NaN is none
            same = same & (numbers.signbit() == first.signbit()) | (numbers.isnan() & first.isnan())
        return first.item() if bool(same.all()) else None
