"""Whether a description is consistent: numbers in range, kernel names legal. Run before any code is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .artifact import (
    ITEM_SIZES,
    NUM_THREADS,
    ArgRef,
    AtenCall,
    Items,
    ProgramDescription,
    Slot,
    SlotRef,
    Value,
    launches,
)
from .errors import DescriptionError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


def check(description: ProgramDescription) -> None:
    """Raises DescriptionError at the first thing that no program could be built from."""
    why = next(_faults(description), None)
    if why is not None:
        raise DescriptionError(
            "The program's description is inconsistent", where=f"program {description.name}", why=why,
            next="report this: a compiler's mistake, or a damaged file",
        )  # fmt: skip


def _faults(d: ProgramDescription) -> Iterator[str]:
    for symbol in d.symbols:
        if symbol.name == NUM_THREADS:
            yield f"a symbol has the name {NUM_THREADS}, which means the threads of a call"
        if not _within(symbol.arg, d.args):
            yield f"symbol {symbol.name} is bound to argument {symbol.arg} of {len(d.args)}"
        elif symbol.dim is None and d.args[symbol.arg].kind != "int":
            yield f"symbol {symbol.name} is bound to argument {symbol.arg}, which is no int"
        elif symbol.dim is not None and not _within(symbol.dim, d.args[symbol.arg].shape):
            yield f"symbol {symbol.name} is bound to a dimension that argument {symbol.arg} does not have"
    for arg in d.args:
        if arg.kind == "tensor" and (arg.dtype not in ITEM_SIZES or len(arg.shape) != len(arg.strides)):
            yield f"argument {arg.name}: dtype {arg.dtype!r}, {len(arg.shape)} sizes, {len(arg.strides)} strides"
    for number, slot in enumerate(d.slots):
        yield from _slot_faults(d, number, slot)
    for kernel in d.kernels:
        if not _IDENTIFIER.fullmatch(kernel.entry):
            yield f"kernel {kernel.name}: {kernel.entry!r} is no C name"
    for what, names in (("names", [kernel.name for kernel in d.kernels]), ("entries", [k.entry for k in d.kernels])):
        if len(set(names)) < len(names):
            yield f"two kernels have the same {what}"
    for launch in launches(d):
        if not _within(launch.kernel, d.kernels):
            yield f"a launch of kernel {launch.kernel} of {len(d.kernels)}"
        yield from (f"a launch reads slot {i} of {len(d.slots)}" for i in launch.args if not _within(i, d.slots))
    for step in d.steps:
        if isinstance(step, AtenCall):
            values = (*step.args, *step.kwargs.values(), *(SlotRef(slot) for slot in step.results if slot is not None))
            yield from (f"{step.target}: {why}" for value in values for why in _value_faults(d, value))
    for output in d.outputs:
        if output.kind == "tensor" and not _within(output.slot, d.slots):
            yield f"an output reads slot {output.slot} of {len(d.slots)}"
        elif output.kind == "tensor" and d.slots[output.slot].source == "arena":
            yield f"an output is slot {output.slot} of the arena, which the next call overwrites"
        elif output.kind == "arg" and not _within(output.arg, d.args):
            yield f"an output is argument {output.arg} of {len(d.args)}"
    for arg in d.mutations:
        if not _within(arg, d.args) or d.args[arg].kind != "tensor":
            yield f"argument {arg} is mutated but is no tensor"


def _slot_faults(d: ProgramDescription, number: int, slot: Slot) -> Iterator[str]:
    homes = {"arena": d.chunks, "arg": d.args, "constant": d.constants}
    if slot.dtype not in ITEM_SIZES:
        yield f"slot {number} has dtype {slot.dtype!r}"
    if len(slot.shape) != len(slot.strides):
        yield f"slot {number} has {len(slot.shape)} sizes and {len(slot.strides)} strides"
    if slot.index < 0 or (slot.source in homes and slot.index >= len(homes[slot.source])):
        yield f"slot {number} lies in {slot.source} {slot.index}, which there is not"
    elif slot.source == "arg" and d.args[slot.index].kind != "tensor":
        yield f"slot {number} lies in argument {slot.index}, which is no tensor"


def _value_faults(d: ProgramDescription, value: Value) -> Iterator[str]:
    match value:
        case SlotRef(slot) if not _within(slot, d.slots):
            yield f"slot {slot} of {len(d.slots)}"
        case ArgRef(arg) if not _within(arg, d.args):
            yield f"argument {arg} of {len(d.args)}"
        case Items(items):
            for item in items:
                yield from _value_faults(d, item)
        case _:
            return


def _within(number: int, things: tuple[object, ...]) -> bool:
    return 0 <= number < len(things)
