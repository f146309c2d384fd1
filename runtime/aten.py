"""Operators left to PyTorch: their arguments, their call, their results."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

from .artifact import (
    ArgRef,
    AtenCall,
    DeviceName,
    DimRef,
    Items,
    Number,
    SlotRef,
    TorchName,
    Value,
)
from .call import Call
from .errors import DescriptionError

Reader = Callable[[Call], Any]


class AtenStep:
    """One AtenCall with its operator resolved. Raises DescriptionError if this PyTorch has no such operator."""

    def __init__(self, call: AtenCall) -> None:
        self.call = call
        self._operator = resolve(call.target, call.module)
        self._shows = _shows(self._operator)
        self._args = [_reader(value) for value in call.args]
        self._kwargs = {name: _reader(value) for name, value in call.kwargs.items()}

    def run(self, state: Call) -> None:
        """Calls the operator; its tensors become the slots named in `results`."""
        made = self._operator(
            *[read(state) for read in self._args], **{name: read(state) for name, read in self._kwargs.items()}
        )
        flat = _flatten(made)
        if len(flat) < len(self.call.results):
            raise DescriptionError(
                f"{self.call.target} returned {len(flat)} tensors", where=self.call.module or "the program",
                why=f"{len(self.call.results)} were described", next="report this: a compiler's mistake",
            )  # fmt: skip
        for slot, value in zip(self.call.results, flat, strict=False):
            if slot is not None:
                state.define(slot, value, copy=self._shows)


def torch_module() -> Any:
    """`torch`, imported now if need be: a program with ATen calls cannot run without it."""
    if "torch" not in sys.modules:
        try:
            importlib.import_module("torch")
        except ImportError as error:
            raise DescriptionError(
                "This program needs PyTorch", where="its ATen calls", why=str(error), next="pip install torch"
            ) from error
    return sys.modules["torch"]


def resolve(target: str, module: str = "") -> Any:
    """The operator of that name, `namespace.name.overload`."""
    parts = target.split(".")
    found = torch_module().ops
    if len(parts) in (2, 3) and all(part.isidentifier() and not part.startswith("__") for part in parts):
        try:
            for part in parts:
                found = getattr(found, part)
        except (AttributeError, RuntimeError):
            found = None
        if _is_operator(found):
            return found
    raise DescriptionError(
        f"No operator {target}", where=module or "the program", why="torch.ops has none of that name",
        next="import the library that registers it, or use the PyTorch version that the program was compiled with",
    )  # fmt: skip


def _shows(operator: Any) -> bool:
    """Whether an operator's results may be memory of its operands, which may be overwritten before they are read."""
    schema = getattr(operator, "_schema", None)
    aliases = [result.alias_info for result in schema.returns] if schema is not None else []
    return any(alias is not None and not alias.is_write for alias in aliases)


def _is_operator(found: Any) -> bool:
    """Nothing else in torch.ops is ever called: not its methods, not what loads libraries."""
    ops = torch_module()._ops
    return isinstance(found, (ops.OpOverload, ops.OpOverloadPacket, ops.HigherOrderOperator))


def _flatten(made: Any) -> list[Any]:
    if not isinstance(made, (tuple, list)):
        return [made]
    return [leaf for item in cast("Sequence[Any]", made) for leaf in _flatten(item)]


def _reader(value: Value) -> Reader:
    match value:
        case SlotRef(slot):
            return lambda state: state.tensor(slot)
        case ArgRef(arg):
            return lambda state: state.args[arg]
        case DimRef(expr):
            return lambda state: state.dim(expr)
        case Items(items):
            readers = [_reader(item) for item in items]
            return lambda state: [read(state) for read in readers]
        case Number(text):
            number = _float(text)
            return lambda _: number
        case TorchName(name):
            constant = _torch_constant(name)
            return lambda _: constant
        case DeviceName(name):
            device = _device(name)
            return lambda _: device
        case _:
            return lambda _: value


def _torch_constant(name: str) -> Any:
    torch = torch_module()
    found = vars(torch).get(name)
    if isinstance(found, (torch.dtype, torch.layout, torch.memory_format)):
        return found
    raise DescriptionError(
        f"torch.{name} is no dtype, layout or memory format", where="an ATen call", why="nothing else is allowed",
        next="report this: a compiler's mistake",
    )  # fmt: skip


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise _no_value(text, "number", error) from error


def _device(name: str) -> Any:
    try:
        return torch_module().device(name)
    except RuntimeError as error:
        raise _no_value(name, "device", error) from error


def _no_value(text: str, what: str, error: Exception) -> DescriptionError:
    return DescriptionError(
        f"{text[:80]!r} is no {what}", where="an ATen call", why=str(error).splitlines()[0],
        next="report this: a compiler's mistake, or a damaged file",
    )  # fmt: skip


def encode_value(value: Any, leaf: Callable[[Any], Value | None] = lambda _: None) -> Value:
    """The JSON-able form of a Python argument of an ATen call.

    `leaf` is asked first, for tensors and symbolic sizes (SlotRef, DimRef); lists and tuples become Items. Raises
    TypeError for anything that a program cannot hold.
    """
    known = leaf(value)
    if known is not None:
        return known
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else Number(repr(value))
    if isinstance(value, (list, tuple)):
        return Items(tuple(encode_value(item, leaf) for item in cast("Sequence[Any]", value)))
    kind = cast("type[Any]", type(value))
    if kind.__module__ == "torch" and kind.__name__ == "device":
        return DeviceName(str(value))
    if kind.__module__ == "torch" and kind.__name__ in ("dtype", "layout", "memory_format"):
        return TorchName(str(value).removeprefix("torch."))
    raise TypeError(f"{kind.__module__}.{kind.__qualname__} cannot be an argument of an ATen call in a program")
