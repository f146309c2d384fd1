"""Operators left to PyTorch inside a program."""

import math

import pytest
import torch

from runtime_samples import TURN, flat, kernel
from warpweave.runtime.artifact import (
    ArgRef,
    ArgSpec,
    AtenCall,
    Chunk,
    DimRef,
    Items,
    Launch,
    NativeStep,
    Number,
    Output,
    ProgramDescription,
    Slot,
    SlotRef,
    Symbol,
    TorchName,
    decode,
    encode,
)
from warpweave.runtime.aten import encode_value
from warpweave.runtime.errors import DescriptionError
from warpweave.runtime.program import build_program

X = ArgSpec("x", "tensor", "float32", ("S", "4"), ("4", "1"))
S = Symbol("S", 0, 0)


def rows(source, index, strides=("4", "1"), offset="0"):
    return Slot(source, index, "float32", ("S", "4"), strides, offset)


def program(slots, steps, outputs, **more):
    description = ProgramDescription(
        name="aten", args=more.pop("args", (X,)), symbols=(S,), slots=slots, steps=steps, outputs=outputs,
        kernels=(kernel("turn", TURN),), **more,
    )  # fmt: skip
    return build_program(decode(encode(description)))


def test_native_then_aten_then_native():
    """turn into the arena; sort it (two results); turn the sorted values; give both and the indices."""
    run = program(
        slots=(
            rows("arg", 0),
            rows("arena", 1),
            rows("aten", 0),
            Slot("aten", 1, "int64", ("S", "4"), ("4", "1")),
            rows("output", 0),
            Slot("aten", 0, "float32", ("S", "2"), ("4", "1"), "2"),
        ),
        chunks=(Chunk("S + 4"), Chunk("S*16")),
        steps=(
            NativeStep((Launch(0, (0, 1), ("S*4",)),)),
            AtenCall("aten.sort.default", (SlotRef(1), 1, True), {}, (2, 3), "layers.0", "no kernel for sort"),
            NativeStep((Launch(0, (2, 4), ("S*4",)),)),
        ),
        outputs=(Output("tensor", slot=4), Output("tensor", slot=3), Output("tensor", slot=5)),
    )
    for size in (3, 1, 8):
        x = torch.randn(size, 4, requires_grad=True)
        turned, indices, part = run([x])
        values, expected = (x.detach().flatten().flip(0).view(size, 4) + 1).sort(1, descending=True)
        assert torch.equal(turned, values.flatten().flip(0).view(size, 4) + 1)
        assert torch.equal(indices, expected)
        assert torch.equal(part, values[:, 2:])
        assert not turned.requires_grad


def test_results_never_alias_the_arena():
    """A view of an arena chunk outlives it: the chunk is written again before the view is read."""
    run = program(
        slots=(rows("arg", 0), rows("arena", 0), Slot("aten", 0, "float32", ("4", "S"), ("1", "4")), rows("output", 0)),
        chunks=(Chunk("S*16"),),
        steps=(
            NativeStep((Launch(0, (0, 1), ("S*4",)),)),
            AtenCall("aten.t.default", (SlotRef(1),), results=(2,)),
            NativeStep((Launch(0, (1, 3), ("S*4",)),)),
            NativeStep((Launch(0, (3, 1), ("S*4",)),)),
        ),
        outputs=(Output("tensor", slot=2), Output("tensor", slot=3)),
    )
    x = torch.randn(5, 4)
    turned = x.flatten().flip(0).view(5, 4) + 1
    view, back = run([x])
    assert torch.equal(view, turned.t())
    assert torch.equal(back, x + 1 + 1)
    run([torch.zeros(5, 4)])
    assert torch.equal(view, turned.t())


def test_results_with_other_strides_are_laid_out_as_described():
    run = program(
        slots=(rows("arg", 0), rows("aten", 0, ("1", "S")), rows("output", 0)),
        steps=(
            AtenCall("aten.exp.default", (SlotRef(0),), results=(1,)),
            NativeStep((Launch(0, (1, 2), ("S*4",)),)),
        ),
        outputs=(Output("tensor", slot=2), Output("tensor", slot=1)),
    )
    x = torch.randn(3, 4)
    turned, result = run([x])
    assert result.stride() == (1, 3)
    assert torch.equal(result, x.exp())
    assert torch.equal(turned.flatten(), x.exp().t().flatten().flip(0) + 1)


def test_results_into_outputs_and_in_place_operators():
    run = program(
        slots=(rows("arg", 0), rows("output", 0), rows("arena", 0)),
        chunks=(Chunk("S*16"),),
        steps=(
            AtenCall("aten.neg.default", (SlotRef(0),), results=(2,)),
            AtenCall("aten.mul.Tensor", (SlotRef(2), 3), results=(1,)),
            AtenCall("aten.add_.Scalar", (SlotRef(0), 1.5), {"alpha": 2}),
        ),
        outputs=(Output("tensor", slot=1),),
        mutations=(0,),
    )
    x = torch.randn(2, 4)
    before = x.clone()
    assert torch.equal(run([x])[0], before * -3)
    assert torch.equal(x, before + 3)


def test_every_kind_of_argument():
    run = program(
        args=(X, ArgSpec("fill", "float"), ArgSpec("mask", "tensor", "bool", ("S", "4"), ("4", "1"))),
        slots=(
            rows("arg", 0),
            Slot("arg", 2, "bool", ("S", "4"), ("4", "1")),
            rows("aten", 0),
            Slot("aten", 1, "float64", ("2", "S", "4"), ("S*4", "4", "1")),
            Slot("aten", 2, "float64", ("S", "8"), ("8", "1")),
            rows("aten", 3),
        ),
        steps=(
            AtenCall("aten.masked_fill.Scalar", (SlotRef(0), SlotRef(1), Number("-inf")), results=(2,)),
            AtenCall(
                "aten.full.default", (Items((2, DimRef("S"), 4)), ArgRef(1)),
                {"dtype": TorchName("float64"), "device": encode_value(torch.device("cpu"))}, (3,),
            ),
            AtenCall("aten.view.default", (SlotRef(3), Items((DimRef("S"), -1))), results=(4,)),
            AtenCall("aten.split.Tensor", (SlotRef(0), DimRef("S")), results=(None,)),
            AtenCall("aten.clone.default", (SlotRef(0),), {"memory_format": TorchName("contiguous_format")}, (5,)),
        ),
        outputs=(Output("tensor", slot=2), Output("tensor", slot=4), Output("tensor", slot=5)),
    )  # fmt: skip
    x, mask = torch.randn(3, 4), torch.rand(3, 4) > 0.5
    filled, full, clone = run([x, 2.5, mask])
    assert torch.equal(filled, x.masked_fill(mask, -math.inf))
    assert torch.equal(full, torch.full((3, 8), 2.5, dtype=torch.float64))
    assert torch.equal(clone, x)


def test_encoding_of_values():
    leaf = lambda v: SlotRef(7) if isinstance(v, torch.Tensor) else None  # noqa: E731
    assert encode_value([1, 2.0, None, torch.ones(1)], leaf) == Items((1, 2.0, None, SlotRef(7)))
    assert encode_value(float("-inf")) == Number("-inf")
    assert encode_value(torch.bfloat16) == TorchName("bfloat16")
    assert encode_value(torch.channels_last) == TorchName("channels_last")
    assert encode_value(torch.strided) == TorchName("strided")
    with pytest.raises(TypeError, match="Generator"):
        encode_value(torch.Generator())


@pytest.mark.parametrize("target", ["aten.no_such_thing.default", "aten", "aten.__class__.default", "a.b.c.d"])
def test_unknown_operators(target):
    with pytest.raises(DescriptionError, match="No operator"):
        program((rows("arg", 0),), (AtenCall(target, module="layers.3"),), ())


def test_names_of_torch_are_a_short_list():
    with pytest.raises(DescriptionError, match="no dtype"):
        program((rows("arg", 0),), (AtenCall("aten.neg.default", (TorchName("load"),)),), ())


def test_results_that_are_not_as_described():
    run = program((rows("arg", 0), Slot("aten", 0, "float32", ("S",), ("1",))), (
        AtenCall("aten.neg.default", (SlotRef(0),), results=(1,)),), (Output("tensor", slot=1),),
    )  # fmt: skip
    with pytest.raises(DescriptionError, match="its shape"):
        run([torch.ones(2, 4)])


def test_an_output_that_is_an_argument_slot():
    run = program((rows("arg", 0), flat("arg", 0, "4", offset="4")), (), (Output("tensor", slot=1),))
    x = torch.randn(5, 4)[2:]
    assert torch.equal(run([x])[0], x[1])


def test_nothing_is_recorded_for_autograd():
    run = program(
        (rows("arg", 0), rows("aten", 0)),
        (AtenCall("aten.exp.default", (SlotRef(0),), results=(1,)),),
        (Output("tensor", slot=1),),
    )
    x = torch.randn(2, 4, requires_grad=True)
    out = run([x])[0]
    assert torch.equal(out, x.detach().exp())
    assert not out.requires_grad
