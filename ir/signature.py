"""What a function's attributes say about its arguments and results: roles, strides, symbolic ints, mutations.

Argument attributes: `weave.role` (`weight` | `cache` | `input`), `weave.kind` (`tensor` | `int` | `float` | `ignored`;
every argument that is no tensor has the type `!flow.tensor<[], i64>`), `weave.dim` (the dim expression an int argument
carries), `weave.strides` (where they are not the contiguous ones). Function attributes of @main: `weave.outputs`, one
text a result that PyTorch expects (`tensor`: the next returned value; `int:<dim>`; `none`; `arg:<i>`: the argument
itself; `view:<i>`: memory of argument i, which the next entry of `weave.output_views` describes: sizes, strides and
[offset]), `weave.output_strides` (one list of dims a returned tensor), `weave.output_bases` (one number a returned tensor,
equal for those that share memory; without it, none do), `weave.output_offsets` (one dim a returned tensor: where in
that memory it begins), `weave.mutations` (pairs [returned value, argument] to be written back; those returned values
come after the tensors of `weave.outputs`), `weave.promises` (`ir/promises.py`), `weave.device` (where all its tensors are,
such as `cuda:0`; without it, on the CPU), `weave.sizes` (what its symbols were when it was captured).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntAttr, ModuleOp, StringAttr
from xdsl.ir import Attribute, Block, BlockArgument, SSAValue

from .dims import Dim, DimLike
from .types import DimAttr, TensorType, dims_attr

Role = Literal["weight", "cache", "input"]
Kind = Literal["tensor", "int", "float", "ignored"]


def functions_of(module: ModuleOp) -> dict[str, func.FuncOp]:
    """The functions of a module by name, in order."""
    return {op.sym_name.data: op for op in module.ops if isinstance(op, func.FuncOp)}


def all_attributes(attributes: Sequence[DictionaryAttr]) -> ArrayAttr[DictionaryAttr] | None:
    """A function's `arg_attrs`; None where nothing is said of any argument, as its text says it."""
    return ArrayAttr(attributes) if any(each.data for each in attributes) else None


def argument_attributes(
    role: Role = "input", kind: Kind = "tensor", dim: DimLike | None = None, strides: Sequence[DimLike] | None = None
) -> DictionaryAttr:
    """The attribute dictionary of one argument."""
    attrs: dict[str, Attribute] = {"weave.role": StringAttr(role)}
    if kind != "tensor":
        attrs["weave.kind"] = StringAttr(kind)
    if dim is not None:
        attrs["weave.dim"] = DimAttr(Dim.of(dim))
    if strides is not None:
        attrs["weave.strides"] = dims_attr(strides)
    return DictionaryAttr(attrs)


def attributes_of(arg: SSAValue) -> dict[str, Attribute]:
    """The attributes of a function's argument; empty for any other value."""
    if not isinstance(arg, BlockArgument):
        return {}
    block: Block = arg.block
    function = block.parent_op()
    if not isinstance(function, func.FuncOp) or function.arg_attrs is None:
        return {}
    return dict(function.arg_attrs.data[arg.index].data)


def _text(arg: SSAValue, name: str, default: str) -> str:
    value = attributes_of(arg).get(name)
    return value.data if isinstance(value, StringAttr) else default


def role_of(arg: SSAValue) -> Role:
    """`weight`, `cache` or `input` for a function's argument; `input` for any other value."""
    return cast(Role, _text(arg, "weave.role", "input"))


def kind_of(arg: SSAValue) -> Kind:
    return cast(Kind, _text(arg, "weave.kind", "tensor"))


def dim_of(arg: SSAValue) -> Dim | None:
    """The dim expression that an int argument carries."""
    value = attributes_of(arg).get("weave.dim")
    return value.data if isinstance(value, DimAttr) else None


def strides_of(arg: SSAValue) -> tuple[Dim, ...] | None:
    """The strides of a tensor argument in elements; None for the contiguous ones."""
    value = attributes_of(arg).get("weave.strides")
    return tuple(d.data for d in cast("ArrayAttr[DimAttr]", value)) if isinstance(value, ArrayAttr) else None


def is_weight(value: SSAValue) -> bool:
    return isinstance(value.type, TensorType) and role_of(value) == "weight"


def outputs_of(function: func.FuncOp) -> list[str]:
    """`weave.outputs`; without it, one tensor a returned value."""
    value = function.attributes.get("weave.outputs")
    if isinstance(value, ArrayAttr):
        return [text.data for text in cast("ArrayAttr[StringAttr]", value)]
    return ["tensor"] * len(function.function_type.outputs)


def output_strides_of(function: func.FuncOp) -> list[tuple[Dim, ...]] | None:
    value = function.attributes.get("weave.output_strides")
    if not isinstance(value, ArrayAttr):
        return None
    return [tuple(d.data for d in strides) for strides in cast("ArrayAttr[ArrayAttr[DimAttr]]", value)]


def output_views_of(function: func.FuncOp) -> list[tuple[tuple[Dim, ...], ...]]:
    """(sizes, strides, (offset,)) of each result that is a view of an argument."""
    value = function.attributes.get("weave.output_views")
    views = cast("ArrayAttr[ArrayAttr[ArrayAttr[DimAttr]]]", value) if isinstance(value, ArrayAttr) else ()
    return [tuple(tuple(d.data for d in dims) for dims in view) for view in views]


def output_places_of(function: func.FuncOp) -> list[tuple[int, Dim]] | None:
    """(which memory, where in it) of each returned tensor; None where each has memory of its own."""
    bases, offsets = (function.attributes.get(f"weave.output_{name}") for name in ("bases", "offsets"))
    if not isinstance(bases, ArrayAttr) or not isinstance(offsets, ArrayAttr):
        return None
    pairs = zip(cast("ArrayAttr[IntAttr]", bases), cast("ArrayAttr[DimAttr]", offsets), strict=True)
    return [(base.data, offset.data) for base, offset in pairs]


def mutations_of(function: func.FuncOp) -> list[tuple[int, int]]:
    """(returned value, argument) pairs: the value is to be stored in the argument."""
    value = function.attributes.get("weave.mutations")
    if not isinstance(value, ArrayAttr):
        return []
    pairs = cast("ArrayAttr[ArrayAttr[IntAttr]]", value)
    return [(pair.data[0].data, pair.data[1].data) for pair in pairs]


def device_of(function: func.FuncOp) -> str:
    """Where the tensors of @main are, in PyTorch's words."""
    value = function.attributes.get("weave.device")
    return value.data if isinstance(value, StringAttr) else "cpu"


def sizes_attribute(sizes: Mapping[str, int]) -> DictionaryAttr:
    return DictionaryAttr({name: IntAttr(size) for name, size in sizes.items()})


def sizes_of(function: func.FuncOp) -> dict[str, int]:
    """What the symbols of @main were when it was captured, as far as it is known: good for choices, not for correctness."""
    value = function.attributes.get("weave.sizes")
    known = value.data if isinstance(value, DictionaryAttr) else {}
    return {name: size.data for name, size in known.items() if isinstance(size, IntAttr)}
