"""An AOT graph (FX) → a module with `func.func @main` in `flow`, one rule a node.

Guaranteed: one block argument a placeholder, in order (`ir/signature.py` says what the attributes mean; `weave.name`
is a readable name, such as `model.norm.weight`); every op carries its module path and source line; the results are the
graph's tensor outputs followed by the values of its mutations; an op the table cannot say is one `flow.aten` with its
reason. Raises GraphUnsupportedError where no module can say the graph.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
from ..ir.types import DimAttr, TensorType, dims_attr
from . import complex_pairs
from .aten_calls import bound, encode, used_results
from .aten_table import TABLE
from .build import DTYPES, Builder, Value, tensor
from .errors import GraphUnsupportedError, Unsupported
from .origins import node_location
from .placeholders import base_of, check_bound, contiguous, device_of, suggest_names
from .symbols import Symbols, expression

PARTS = {torch.complex64: torch.float32, torch.complex128: torch.float64}


def import_graph(
    gm: GraphModule,
    names: Sequence[str] | None = None,
    roles: Sequence[Role] | None = None,
    relations: Sequence[Any] | None = None,
) -> ModuleOp:
    """The module of an AOT graph; `names` and `roles` are those of its placeholders, in order.

    `relations`: what the graph demands of its sizes (sympy), for the program to check. Without them somebody else does:
    Dynamo, by its guards.
    """
    return _Importer(gm, names, roles, relations).run()


class _Importer:
    def __init__(
        self,
        gm: GraphModule,
        names: Sequence[str] | None,
        roles: Sequence[Role] | None,
        relations: Sequence[Any] | None,
    ):
        self.gm = gm
        self.relations = relations
        self.placeholders = [n for n in gm.graph.nodes if n.op == "placeholder"]
        self.names = list(names or [n.name for n in self.placeholders])
        self.roles: Sequence[Role] = roles if roles is not None else ("input",) * len(self.placeholders)
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
            if node.op not in handlers:
                raise GraphUnsupportedError(f"a graph node of kind `{node.op}` ({node.target})")
            try:
                handlers[node.op](node)
            except Unsupported as refusal:
                raise GraphUnsupportedError(f"`{node.format_node()}`: {refusal}") from refusal
        return self.finish()

    # ---- arguments ---------------------------------------------------------------------------------------------

    def placeholder(self, node: Node, name: str, role: Role) -> None:
        value = node.meta.get("val")
        is_tensor = isinstance(value, torch.Tensor)
        type_ = self.type_of(value) if is_tensor else tensor((), "i64")
        argument = self.block.insert_arg(type_, len(self.block.args))
        argument.name_hint = node.name
        if is_tensor and role == "weight":
            self.builder.weights.add(argument)
        kind: Kind = "tensor" if is_tensor else "int" if isinstance(value, torch.SymInt) else "ignored"
        self.env[node] = argument if is_tensor else self.scalar(value)
        dim = self.symbols.dim(value) if kind == "int" else None
        strides = self.symbols.dims(value.stride()) if is_tensor and not contiguous(value) else None
        attributes = argument_attributes(role, kind, dim, strides)
        self.arguments.append(DictionaryAttr({**attributes.data, "weave.name": StringAttr(ascii_text(name))}))

    def type_of(self, value: torch.Tensor, part: bool = False) -> TensorType:
        """The type of a tensor; of one part of a complex one."""
        dtype = PARTS.get(value.dtype, value.dtype) if part else value.dtype
        if dtype not in DTYPES:
            raise Unsupported(f"a tensor of {value.dtype}")
        if value.layout != torch.strided or value.is_quantized:
            raise Unsupported(f"a tensor of layout {value.layout}")
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
        value = self.gm
        for part in str(node.target).split("."):
            value = getattr(value, part)
        if not isinstance(value, torch.Tensor):
            raise Unsupported("a submodule (a higher-order operator)")
        fill = fill_value(value)
        if fill is None or value.dtype not in DTYPES:
            raise Unsupported(f"a constant tensor {list(value.shape)} of {value.dtype} inside the graph")
        self.builder.start(node_location(node.meta))
        self.env[node] = self.builder.constant(fill, DTYPES[value.dtype], [Dim.of(d) for d in value.shape])
        self.block.add_ops(self.builder.ops)

    # ---- calls -------------------------------------------------------------------------------------------------

    def call(self, node: Node) -> None:
        value = node.meta.get("val")
        target = node.target
        if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool | int | float | bool):
            self.env[node] = self.scalar(value) if node.users else None
        elif getattr(target, "__name__", "") == "getitem" and isinstance(node.args[0], Node):
            self.env[node] = self.env[node.args[0]][node.args[1]]
        elif target is torch.ops.aten.copy_.default and node.args[0] in self.placeholders:
            self.mutate(node)
        elif value is None and not node.users:
            if "assert" not in str(target) and "constrain_range" not in str(target):
                raise Unsupported("an operator that is called for its side effect")
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
        if is_complex or complex_pairs.contains(args):
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
        self.builder.start(node_location(node.meta))
        value = self.builder.cast(value, argument.type.dtype)
        value = self.builder.broadcast(value, argument.type.shape)
        self.block.add_ops(self.builder.ops)
        self.mutations[argument] = value
        self.env[node] = value

    def output(self, node: Node) -> None:
        outputs: Any = node.args[0] if isinstance(node.args[0], list | tuple) else [node.args[0]]
        for output in outputs:
            value = self.env[output] if isinstance(output, Node) else output
            given = isinstance(output, Node) and output.op == "placeholder"
            text = self.result(value, given=given)
            if text == "tensor":
                text = self.tensor_result(output, value)
            self.outputs.append(text)

    def tensor_result(self, output: Node, value: Value) -> str:
        """A view of an argument is not computed: it is the argument's memory, which the caller may write to."""
        base, meta = base_of(output), output.meta["val"]
        if str(meta.device) != device_of(self.gm):
            raise Unsupported(f"a result on another device: {meta.device}")
        argument = self.env[base]
        if base in self.placeholders and argument not in self.mutations and meta.dtype == base.meta["val"].dtype:
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
        seen = [self.bases.count(base) > 1 or any(v is value for v in self.mutations.values()) for base, value in zip(self.bases, stored, strict=True)]
        offsets = [offset if s else Dim() for offset, s in zip(self.offsets, seen, strict=True)]
        numbers = [self.bases.index(base) for base in self.bases]
        if numbers == list(range(len(numbers))) and not any(o != Dim() for o in offsets):
            return {}
        return {"weave.output_bases": ArrayAttr(map(IntAttr, numbers)), "weave.output_offsets": dims_attr(offsets)}

    def result(self, value: Any, *, given: bool) -> str:
        """What the caller gets, as `weave.outputs` says it. `given`: it is an argument itself, and no copy of one."""
        if given and isinstance(value, BlockArgument):
            return f"arg:{value.index}"
        if isinstance(value, SSAValue):
            return "tensor"
        if value is None:
            return "none"
        if isinstance(value, complex_pairs.Pair):
            raise Unsupported("a complex result")
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
        if (device := device_of(self.gm)) != "cpu":
            function.attributes["weave.device"] = StringAttr(device)
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
