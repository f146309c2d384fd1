"""Triton's linear layouts: where its compiler puts elements, as functions of register, lane and warp or of an offset."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

Bases = Sequence[Sequence[int]]


@functools.cache
def _builder() -> Any:
    from triton._C.libtriton import gluon_ir, ir
    from triton.backends.compiler import GPUTarget
    from triton.backends.nvidia.compiler import CUDABackend

    context = ir.context()
    ir.load_dialects(context)
    backend = CUDABackend(GPUTarget("cuda", 90, 32))
    backend.load_dialects(context)
    builder = gluon_ir.GluonOpBuilder(context)
    builder.options = backend.parse_options({})
    builder.set_loc("layouts", 0, 0)
    module = builder.create_module()
    module.set_attr("ttg.target", builder.get_string_attr("cuda:90"))
    for name, value in (("num-warps", 4), ("num-ctas", 1), ("threads-per-warp", 32)):
        module.set_attr(f"ttg.{name}", builder.get_int32_attr(value))
    return builder, module, context


def linear(layout: Any, shape: Sequence[int]) -> Any:
    """A Gluon layout of a tile of `shape`, as its compiler sees it."""
    builder = _builder()[0]
    return builder.to_linear_layout(layout._to_ir(builder), list(shape))


def at(bases: Bases, index: int) -> list[int]:
    """Where `index` is sent: the sum over its bits, in GF(2)."""
    place = [0, 0]
    for bit, base in enumerate(bases):
        if index >> bit & 1:
            place = [p ^ b for p, b in zip(place, base, strict=True)]
    return place


def place(distributed: Any, register: int, lane: int, warp: int) -> tuple[int, ...]:
    """(row, column) of the element that a register of a thread holds."""
    parts = (at(distributed.reg_bases, register), at(distributed.lane_bases, lane), at(distributed.warp_bases, warp))
    return tuple(a ^ b ^ c for a, b, c in zip(*parts, strict=True))
