"""Functions whose arguments and results change: what is said of them moves along."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FunctionType, IntAttr, ModuleOp
from xdsl.ir import Attribute, BlockArgument, SSAValue

from ..dims import Dim
from ..signature import all_attributes, mutations_of
from ..types import DimAttr, TensorType

_BY_RESULT = tuple(
    f"weave.{name}" for name in ("outputs", "output_views", "output_strides", "output_bases", "output_offsets")
)


class Labels:
    """What a function said of its arguments and results before an edit; `settle` says it again after it."""

    def __init__(self, function: func.FuncOp):
        self._function = function
        args = function.body.block.args
        given = function.arg_attrs.data if function.arg_attrs is not None else [DictionaryAttr({})] * len(args)
        self._arguments: dict[BlockArgument, dict[str, Attribute]] = {
            arg: dict(attributes.data) for arg, attributes in zip(args, given, strict=True)
        }
        self._mutations = [(value, args[argument]) for value, argument in mutations_of(function)]

    @property
    def places(self) -> list[tuple[BlockArgument | None, str]]:
        """(argument, attribute); None for the function itself. What must be said is left out: where mutations go."""
        named = [(None, name) for name in self._function.attributes if name.startswith("weave.")]
        own = [place for place in named if place[1] != "weave.mutations"]
        return [*own, *((arg, name) for arg, attributes in self._arguments.items() for name in attributes)]

    def drop(self, argument: BlockArgument | None, name: str) -> None:
        if argument is None:
            self._function.attributes.pop(name, None)
        else:
            self._arguments[argument].pop(name, None)

    def settle(self, kept_results: Sequence[int] | None = None) -> None:
        """Gives the function its type and attributes. `kept_results`: the numbers of the results that it still has."""
        function = self._function
        args, returned = function.body.block.args, returned_of(function)
        kept = range(len(returned.operands)) if kept_results is None else kept_results
        function.function_type = FunctionType.from_lists([a.type for a in args], [v.type for v in returned.operands])
        function.arg_attrs = all_attributes([DictionaryAttr(self._arguments.get(arg, {})) for arg in args])
        if kept_results is not None:
            for name in _BY_RESULT:
                function.attributes.pop(name, None)
        pairs = [(kept.index(v), a.index) for v, a in self._mutations if v in kept and a in args]
        if pairs:
            function.attributes["weave.mutations"] = ArrayAttr([ArrayAttr([IntAttr(v), IntAttr(a)]) for v, a in pairs])
        else:
            function.attributes.pop("weave.mutations", None)


def returned_of(function: func.FuncOp) -> func.ReturnOp:
    """The return of a function. Raises TypeError where it does not end in one."""
    last = function.body.block.last_op
    if not isinstance(last, func.ReturnOp):
        raise TypeError(f"@{function.sym_name.data} does not end in a func.return")
    return last


def map_dims(module: ModuleOp, change: Callable[[Dim], Dim]) -> None:
    """Every dim of every type and attribute becomes `change(dim)`."""
    for op in module.walk():
        blocks = (block for region in op.regions for block in region.blocks)
        values: list[SSAValue] = [*op.results, *(arg for block in blocks for arg in block.args)]
        for value in values:
            value._type = _mapped(value.type, change)
        for attributes in (op.properties, op.attributes):
            attributes.update({name: _mapped(attribute, change) for name, attribute in attributes.items()})


def _mapped(attribute: Attribute, change: Callable[[Dim], Dim]) -> Attribute:
    match attribute:
        case TensorType():
            return attribute.with_shape([change(d) for d in attribute.shape])
        case DimAttr():
            return DimAttr(change(attribute.data))
        case ArrayAttr():
            return ArrayAttr([_mapped(a, change) for a in attribute])
        case DictionaryAttr():
            return DictionaryAttr({name: _mapped(a, change) for name, a in attribute.data.items()})
        case FunctionType():
            inputs, outputs = ([_mapped(t, change) for t in side] for side in (attribute.inputs, attribute.outputs))
            return FunctionType.from_lists(inputs, outputs)
        case _:
            return attribute
