"""Layouts against torch: chains of views address the elements that PyTorch's strided tensors do."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr

from flow_models import Function
from warpweave.ir import flow
from warpweave.ir.dims import Dim
from warpweave.ir.layout import Layout, in_place_operand, is_constant, resolve
from warpweave.ir.signature import argument_attributes
from warpweave.ir.types import shape_of


def dims(*values):
    return tuple(Dim.of(v) for v in values)


def ints(values):
    return [v.value for v in values]


def transpose(draw, x):
    order = draw(st.permutations(range(x.dim())))
    return x.permute(order), lambda y: y.transposed(order)


def narrow(draw, x):
    starts = [draw(st.integers(0, n - 1)) for n in x.shape]
    steps = [draw(st.integers(1, 3)) for _ in x.shape]
    sizes = [draw(st.integers(1, (n - 1 - a) // s + 1)) for n, a, s in zip(x.shape, starts, steps, strict=True)]
    for axis, (a, n, s) in enumerate(zip(starts, sizes, steps, strict=True)):
        x = x[(slice(None),) * axis + (slice(a, a + (n - 1) * s + 1, s),)]
    return x, lambda y: y.sliced(dims(*starts), dims(*sizes), steps)


def expand(draw, x):
    lead = draw(st.lists(st.integers(1, 3), max_size=1))
    shape = [*lead, *(draw(st.integers(1, 3)) if n == 1 else n for n in x.shape)]
    return x.expand(shape), lambda y: y.broadcast(dims(*shape))


def reshape(draw, x):
    shape, n = [], x.numel()
    while n > 1:
        factor = draw(st.sampled_from([d for d in range(1, n + 1) if n % d == 0]))
        shape.append(factor)
        n //= factor
    return x.reshape(shape), lambda y: y.reshaped(dims(*shape))


@given(st.data())
def test_chains_of_views_are_pytorch_strides(data):
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    memory = torch.arange(torch.Size(shape).numel())
    value, layout = memory.reshape(shape), Layout.contiguous(shape)
    for _ in range(data.draw(st.integers(1, 4))):
        step = data.draw(st.sampled_from([transpose, narrow, expand, reshape]))
        value, apply = step(data.draw, value)
        layout = apply(layout)
        if layout is None:  # PyTorch has no strides for it either
            assert value.untyped_storage().data_ptr() != memory.untyped_storage().data_ptr()
            return
        assert ints(layout.sizes) == list(value.shape)
        strided = memory.as_strided(ints(layout.sizes), ints(layout.strides), layout.offset.value)
        assert torch.equal(strided, value)
        if value.numel() > 1 and value.is_contiguous() and layout.strides == Layout.contiguous(layout.sizes).strides:
            assert layout.is_contiguous


def test_symbolic_heads():
    layout = Layout.contiguous(["B", "S", 64]).reshaped(dims("B", "S", 4, 16))
    assert layout is not None
    moved = layout.transposed([0, 2, 1, 3])
    assert [str(s) for s in moved.strides] == ["64*S", "16", "64", "1"]
    assert moved.reshaped(dims("B", 4, "16*S")) is None
    assert moved.reshaped(dims("B", 2, 2, "S", 16)) is not None


def test_resolve_stops_at_constants_and_follows_appends():
    f = Function("main")
    w, x, cache = f.weight("w", 6, 4), f.arg("x", [2, 3, 4]), f.arg("cache", [2, 8, 3], "cache")
    folded = f.transpose(f.pw("mul", w, w), 1, 0)
    view = f.transpose(f(flow.SliceOp(x, [0, 1, 0], [2, 2, 4])), 2, 1, 0)
    at = f.arg("at", [2], dtype="i64")
    appended = f(flow.KVAppendOp(f.transpose(cache, 0, 2, 1), f.arg("new", [2, 3, 2]), at, 2, in_place=True))
    function = f.finish(folded, view, appended)
    assert is_constant(folded)
    assert not is_constant(view)
    assert resolve(folded) == (folded, Layout.contiguous([4, 6]))
    assert resolve(view) == (x, Layout(dims(4, 2, 2), dims(1, 4, 12), Dim.of(4)))
    assert in_place_operand(appended) is not None
    assert resolve(appended) == (appended, Layout(dims(2, 3, 8), dims(24, 1, 3)))
    assert function.sym_name.data == "main"


def test_an_argument_with_strides():
    f = Function("main")
    x = f.arg("x", [3, 5])
    function = f.finish(x)
    function.properties["arg_attrs"] = ArrayAttr([argument_attributes(strides=[1, 3])])
    assert isinstance(function, func.FuncOp)
    assert resolve(x) == (x, Layout(shape_of(x), dims(1, 3)))


def test_a_view_that_no_strides_give():
    f = Function("main")
    x = f.reshape(f.transpose(f.arg("x", [3, 5]), 1, 0), 15)
    f.finish(x)
    with pytest.raises(ValueError, match="cannot be strided"):
        resolve(x)
