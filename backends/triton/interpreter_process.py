"""The process that interprets kernels for `interpret.py`: requests on standard input, answers on standard output.

Triton's interpreter (3.6, 3.7) is wrong in four places that kernels of ours use, and slow in some more; `repair` puts
that right, for these versions only:

- bf16 numbers are 16-bit integers to it: `tl.dot` multiplies these (triton#11584), conversions to bf16 cut off;
- `tl.maximum` and `tl.minimum` without NaN propagation propagate NaN;
- `libdevice` functions are not there;
- a number is no bound of a loop (3.6, with NumPy 2.4: arrays of one element are no integers any more).
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import os
import sys
import tempfile
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .interpret import Number, Pointer, Request, receive, send

VERSIONS = ("3.6", "3.7")


def repair() -> None:
    """Patches the interpreter of this process. Raises RuntimeError for a Triton whose interpreter nobody has read."""
    import numpy as np

    triton, tl = _module("triton"), _module("triton.language")
    libdevice, interpreter = _module("triton.language.extra.libdevice"), _module("triton.runtime.interpreter")
    if not triton.__version__.startswith(VERSIONS):
        raise RuntimeError(f"Triton {triton.__version__}: its interpreter is repaired for {', '.join(VERSIONS)} only")
    builder, handle = interpreter.InterpreterBuilder, interpreter.TensorHandle
    dot, convert = builder.create_dot, builder.cast_impl

    def is_bf16(dtype: Any) -> bool:
        return dtype.scalar == tl.bfloat16

    def widened(x: Any) -> Any:
        wide = (x.data.astype(np.uint32) << 16).view(np.float32)
        return handle(wide, tl.float32)

    def rounded(x: Any) -> Any:
        """To the nearest, ties to even."""
        bits = np.ascontiguousarray(x.data, np.float32).view(np.uint32)
        near = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
        return handle(np.where(np.isnan(x.data), np.uint16(0x7FC0), near), tl.bfloat16)

    def cast(self: Any, x: Any, to: Any) -> Any:
        if x.dtype.scalar == to.scalar:
            return x
        wide = widened(x) if is_bf16(x.dtype) else x
        if is_bf16(to):
            return rounded(wide)
        return wide if to.scalar == wide.dtype.scalar else convert(self, wide, to)

    def wide_dot(self: Any, a: Any, b: Any, *rest: Any) -> Any:
        return dot(self, *(widened(x) if is_bf16(x.dtype) else x for x in (a, b)), *rest)

    def binary(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, a, b: self.binary_op(a, b, function)

    builder.cast_impl, builder.create_dot = cast, wide_dot
    builder.create_fp_to_fp = lambda self, x, to, rounding: cast(self, x, to)
    builder.create_maxnumf, builder.create_minnumf = binary(np.fmax), binary(np.fmin)
    interpreter.interpreter_builder.options.__dict__["sanitize_overflow"] = False

    # what a reduction combines with → numpy's function; the interpreter would call it number by number
    reductions = {
        "ww_max": np.max,
        "ww_min": np.min,
        "_elementwise_max": np.fmax.reduce,
        "_elementwise_min": np.fmin.reduce,
    }
    apply = interpreter.ReduceOps.apply_impl

    def reduce(self: Any, values: Any) -> Any:
        known = reductions.get(getattr(self.combine_fn, "__name__", ""))
        return apply(self, values) if known is None else self.min_max(values[0], val_reduce_op=known)

    interpreter.ReduceOps.apply_impl = reduce

    # The language is patched once, not for each call of each function: this process does nothing else.
    interpreter._patch_lang(types.FunctionType((lambda: None).__code__, {"tl": tl, "core": tl.core}))
    tl.tensor.__index__ = lambda self: int(self.handle.data.item())
    unchanged = interpreter._LangPatchScope()
    interpreter._patch_lang = lambda fn: unchanged

    def elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
        def apply(*values: Any) -> Any:
            element = next(v.dtype.scalar for v in values if isinstance(v, tl.tensor))
            data = [v.handle.data if isinstance(v, tl.tensor) else getattr(v, "value", v) for v in values]
            wide = np.broadcast_arrays(*data)
            own = np.float64 if element == tl.float64 else np.float32  # numbers come as float64, whatever their type
            with np.errstate(all="ignore"):
                result = function(*(a.astype(own, copy=False) for a in wide))
            ranked = [v for v in values if isinstance(v, tl.tensor) and v.type.is_block()]
            return tl.tensor(handle(result, element), tl.block_type(element, list(result.shape)) if ranked else element)

        return apply

    functions = {"tanh": np.tanh, "rint": np.rint, "trunc": np.trunc, "pow": np.power, "fmod": np.fmod}
    for name, function in functions.items():
        setattr(libdevice, name, elementwise(function))


def _module(name: str) -> Any:
    return importlib.import_module(name)


@functools.cache
def functions_of(source: str) -> dict[str, Any]:
    """The names of a module. The interpreter reads the text of functions, so that it lies in a file."""
    path = Path(_folder()) / f"kernel_{hashlib.sha256(source.encode()).hexdigest()[:16]}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


@functools.cache
def _folder() -> str:
    return tempfile.mkdtemp(prefix="warpweave-interpreter-")


def run(request: Request) -> list[bytes]:
    """The request's launches; what its memories hold afterwards."""
    import numpy as np

    # one more cache line, so that an empty memory has an address too
    memories = [np.frombuffer(m + bytes(64), np.uint8).copy() for m in request.memories]
    functions = functions_of(request.source)
    arguments = [_argument(memories, argument) for argument in request.arguments]
    with np.errstate(all="ignore"):
        for name, programs in request.launches:
            if programs:
                functions[name][(programs,)](*arguments)
    return [m[:-64].tobytes() for m in memories]


def _argument(memories: list[Any], argument: Pointer | Number) -> Any:
    """A pointer or a size as a kernel gets it: of the type that it has when it is compiled."""
    import numpy as np

    tl, handle = _module("triton.language"), _module("triton.runtime.interpreter").TensorHandle
    type_ = tl.str_to_ty(argument.type, None)
    if isinstance(argument, Number):
        value = np.array([argument.value], {"i32": np.int32, "i64": np.int64}[argument.type])
    else:
        value = np.array([memories[argument.memory].ctypes.data + argument.offset], np.uint64)
    return tl.tensor(handle(value, type_), type_)


def _said(error: BaseException) -> str:
    """What went wrong, and the line of the kernel."""
    while error.__cause__ is not None:
        error = error.__cause__
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(_folder())]
    where = f" in `{frames[-1].line}`" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def main() -> None:
    """Answers until the other side is gone. What anybody prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    repair()
    while True:
        try:
            request = receive(sys.stdin.buffer)
        except EOFError:
            return
        try:
            send(answers, run(request))
        except Exception as error:
            send(answers, _said(error))


if __name__ == "__main__":
    main()
