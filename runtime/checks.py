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
    Launch,
    NativeStep,
    ProgramDescription,
    Slot,
    SlotRef,
    Value,
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
    names = [symbol.name for symbol in d.symbols]
    if len(set(names)) < len(names):
        yield "two symbols have the same name"
    for symbol in d.symbols:
        if symbol.name == NUM_THREADS:
            yield f"a symbol has the name {NUM_THREADS}, which means the threads of a call"
        if not _within(symbol.arg, d.args):
            yield f"symbol {symbol.name} is bound to argument {symbol.arg} of {len(d.args)}"
        elif symbol.dim is None and d.args[symbol.arg].kind != "int":
            yield f"symbol {symbol.name} is bound to argument {symbol.arg}, which is no int"
        elif symbol.dim is not None and d.args[symbol.arg].kind != "tensor":
            yield f"symbol {symbol.name} is a dimension of argument {symbol.arg}, which is no tensor"
        elif symbol.dim is not None and not _within(symbol.dim, d.args[symbol.arg].shape):
            yield f"symbol {symbol.name} is bound to a dimension that argument {symbol.arg} does not have"
    for arg in d.args:
        if arg.kind == "tensor" and (arg.dtype not in ITEM_SIZES or len(arg.shape) != len(arg.strides)):
            yield f"argument {arg.name}: dtype {arg.dtype!r}, {len(arg.shape)} sizes, {len(arg.strides)} strides"
    for constant in d.constants:
        if constant.dtype not in ITEM_SIZES or min(constant.shape, default=0) < 0:
            yield f"constant {constant.name}: dtype {constant.dtype!r}, shape {list(constant.shape)}"
    for number, slot in enumerate(d.slots):
        yield from _slot_faults(d, number, slot)
    yield from _gaps(d)
    for kernel in d.kernels:
        if not _IDENTIFIER.fullmatch(kernel.entry):
            yield f"kernel {kernel.name}: {kernel.entry!r} is no C name"
        if len(set(kernel.symbols)) < len(kernel.symbols):
            yield f"kernel {kernel.name}: two symbols have the same name"
    for what, names in (("names", [kernel.name for kernel in d.kernels]), ("entries", [k.entry for k in d.kernels])):
        if len(set(names)) < len(names):
            yield f"two kernels have the same {what}"
    made: set[int] = set()  # ATen values so far
    for step in d.steps:
        match step:
            case NativeStep(run):
                yield from (why for launch in run for why in _launch_faults(d, launch, made))
            case AtenCall():
                yield from (f"{step.target}: {why}" for why in _call_faults(d, step, made))
    for output in d.outputs:
        if output.kind == "tensor" and (why := _unreadable(d, output.slot, made)):
            yield f"an output is {why}"
        elif output.kind == "tensor" and d.slots[output.slot].source == "arena":
            yield f"an output is slot {output.slot} of the arena, which the next call overwrites"
        elif output.kind == "arg" and not _within(output.arg, d.args):
            yield f"an output is argument {output.arg} of {len(d.args)}"
    for arg in d.mutations:
        if not _within(arg, d.args) or d.args[arg].kind != "tensor":
            yield f"argument {arg} is mutated but is no tensor"


def _launch_faults(d: ProgramDescription, launch: Launch, made: set[int]) -> Iterator[str]:
    if not _within(launch.kernel, d.kernels):
        yield f"a launch of kernel {launch.kernel} of {len(d.kernels)}"
        return
    kernel = d.kernels[launch.kernel]
    yield from (f"kernel {kernel.name} is given {why}" for i in launch.args if (why := _unreadable(d, i, made)))
    if kernel.extents and (len(launch.args), len(launch.dims)) != (len(kernel.extents), len(kernel.symbols)):
        yield (
            f"kernel {kernel.name} takes {len(kernel.extents)} buffers and {len(kernel.symbols)} sizes, and is given "
            f"{len(launch.args)} and {len(launch.dims)}"
        )


def _call_faults(d: ProgramDescription, call: AtenCall, made: set[int]) -> Iterator[str]:
    for value in (*call.args, *call.kwargs.values()):
        yield from _value_faults(d, value, made)
    for number in call.results:
        if number is None:
            continue
        if not _within(number, d.slots):
            yield f"its result is slot {number} of {len(d.slots)}"
        elif d.slots[number].source == "aten":
            made.add(d.slots[number].index)


def _unreadable(d: ProgramDescription, number: int, made: set[int]) -> str:
    """Why a step cannot read slot `number`: there is none, or the call that gives it has not come yet. Empty where it can."""
    if not _within(number, d.slots):
        return f"slot {number} of {len(d.slots)}"
    slot = d.slots[number]
    return f"slot {number}, which no call has given yet" if slot.source == "aten" and slot.index not in made else ""


def _gaps(d: ProgramDescription) -> Iterator[str]:
    """Output buffers and ATen values are numbered from 0 on: each has a slot that describes it."""
    for source in ("output", "aten"):
        numbers = {slot.index for slot in d.slots if slot.source == source}
        if numbers != set(range(len(numbers))):
            yield f"the numbers of {source} slots have gaps: {sorted(numbers)[:5]}"


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


def _value_faults(d: ProgramDescription, value: Value, made: set[int]) -> Iterator[str]:
    match value:
        case SlotRef(slot) if why := _unreadable(d, slot, made):
            yield f"an argument is {why}"
        case ArgRef(arg) if not _within(arg, d.args):
            yield f"argument {arg} of {len(d.args)}"
        case Items(items):
            for item in items:
                yield from _value_faults(d, item, made)
        case _:
            return


def _within(number: int, things: tuple[object, ...]) -> bool:
    return 0 <= number < len(things)
