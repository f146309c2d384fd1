"""Identical layers become one function; what differs is an argument, and the numbers stay."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region

from traced import arguments_of, assert_same, captured, function_of, ops_of, randn, refusals
from warpweave.ir import flow, fused
from warpweave.ir.ledger import Ledger
from warpweave.ir.locations import location, modules
from warpweave.ir.signature import role_of
from warpweave.ir.types import TensorType, is_float
from warpweave.passes import canonicalise, fuse_map, outline_layers

PASSES = (canonicalise.run, outline_layers.run)
WIDTH = 8


class Layer(nn.Module):
    def __init__(self, activation="silu", cached=False):
        super().__init__()
        self.up, self.down = nn.Linear(WIDTH, 12), nn.Linear(12, WIDTH)
        self.norm = nn.RMSNorm(WIDTH)
        self.activation = getattr(F, activation)
        self.register_buffer("cache", torch.zeros(2, 16, WIDTH) if cached else None)

    def forward(self, x, scale, positions):
        h = self.norm(x)
        if self.cache is not None:
            self.cache.index_copy_(1, positions, h)
            h = h + self.cache.sum(1, keepdim=True)
        return x + self.down(self.activation(self.up(h))) * scale[:, None].view(2, 1, 1)


class Model(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = nn.RMSNorm(WIDTH)

    def forward(self, x, positions):
        scale = positions.float().mean() * torch.ones(2)
        for layer in self.layers:
            x = layer(x, scale, positions)
        return self.norm(x)


class Counting(nn.Module):
    """Counts its own tokens, as the layers of a StaticCache do."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("cache", torch.zeros(2, 16, WIDTH))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x, scale, positions):
        self.cache.index_copy_(1, positions + self.count, self.linear(x))
        self.count.add_(positions.shape[0])
        return x + self.cache.sum(1, keepdim=True)


def imported(*layers):
    (module,) = captured(Model(*layers).eval(), x=randn(2, 3, WIDTH), positions=torch.arange(3))
    args = arguments_of(module)
    for arg, value in zip(function_of(module).body.block.args, args, strict=True):
        if value.dtype == torch.int64 and role_of(arg) == "input":
            value.copy_(torch.arange(3))
    return module, args


def functions(module):
    return [op.sym_name.data for op in module.ops]


def test_positions_and_counters_are_computed_outside():
    module, args = imported(Counting(), Counting(), Counting())
    assert_same(module, args, *PASSES)
    assert functions(module) == ["main", "layer_0"]
    integers = [arg.type for arg in function_of(module, "layer_0").body.block.args if not is_float(arg.type.element)]
    assert integers == [TensorType.of([3], "i64")]
    kinds = [op.kind.data for op in function_of(module, "layer_0").body.block.ops if isinstance(op, flow.PointwiseOp)]
    assert kinds == ["add"]  # the residual
    fuse_map.run(module, Ledger())
    kernels = [len(op.outputs) for op in function_of(module).body.block.ops if isinstance(op, fused.MapOp)]
    assert kernels == [3, 3]  # all positions, all counters


@pytest.mark.parametrize("cached", [False, True])
def test_identical_layers_are_one_function(cached):
    module, args = imported(*(Layer(cached=cached) for _ in range(4)))
    assert_same(module, args, *PASSES)
    assert functions(module) == ["main", "layer_0"]
    assert ops_of(module)["call"] == 4
    assert ops_of(module)["linear"] == 0
    layer = function_of(module, "layer_0")
    assert ops_of(module, "layer_0")["linear"] == 2
    assert ops_of(module, "layer_0")["kv_append"] == cached
    roles = [role_of(arg) for arg in layer.body.block.args]
    assert roles.count("weight") == 5
    assert roles.count("cache") == cached
    assert len(layer.function_type.outputs) == 1 + cached


def test_what_layers_share_is_computed_once():
    module, args = imported(Layer(), Layer(), Layer())
    assert_same(module, args, *PASSES)
    assert ops_of(module)["reduce"] == 1
    assert "reduce" not in ops_of(module, "layer_0")


def test_calls_say_which_layer_they_are():
    module, _ = imported(Layer(), Layer())
    for apply in PASSES:
        apply(module, Ledger())
    calls = [op for op in function_of(module).body.block.ops if isinstance(op, func.CallOp)]
    assert [modules(call) for call in calls] == [["layers.0"], ["layers.1"]]
    inside = function_of(module, "layer_0").body.block.ops
    assert all(name.startswith("layers.0") for op in inside for name in modules(op)[:1])


def test_alternating_layers_are_two_functions():
    module, args = imported(*(Layer(kind) for kind in ("silu", "gelu", "silu", "gelu", "silu")))
    assert_same(module, args, *PASSES)
    assert functions(module) == ["main", "layer_0", "layer_1"]
    called = [op.callee.root_reference.data for op in function_of(module).body.block.ops if isinstance(op, func.CallOp)]
    assert called == ["layer_0", "layer_1", "layer_0", "layer_1", "layer_0"]


def test_a_layer_of_its_own_kind_stays_and_says_why():
    module, args = imported(Layer(), Layer("gelu"), Layer())
    ledger = assert_same(module, args, *PASSES)
    assert ops_of(module)["call"] == 2
    assert ops_of(module)["pointwise<gelu>"] == 1
    (reason,) = refusals(ledger, "outline-layers")
    assert reason.startswith("differs from layers.0: flow.pointwise: kind")


def test_one_layer_stays():
    module, args = imported(Layer())
    ledger = assert_same(module, args, *PASSES)
    assert functions(module) == ["main"]
    assert refusals(ledger, "outline-layers") == ["no other layer in its stack"]


# ---- by hand: paths that no module gives -----------------------------------------------------------------------

ROW = TensorType.of([4], "f32")


def chain(*paths, kinds=("exp", "tanh", "neg")):
    """A chain of pointwise ops with the given module paths."""
    block = Block(arg_types=[ROW])
    value = block.args[0]
    for i, path in enumerate(paths):
        op = flow.PointwiseOp(kinds[i % len(kinds)], [value])
        op.location = location(path)
        block.add_op(op)
        value = op.result
    block.add_op(func.ReturnOp(value))
    return ModuleOp([func.FuncOp("main", ([ROW], [ROW]), Region(block))])


def test_ops_without_a_path_join_the_layer_around_them():
    paths = [f"model.layers.{i}.a" if part != 1 else "" for i in range(3) for part in range(3)]
    module = chain(*paths)
    assert_same(module, [randn(4)], *PASSES)
    assert ops_of(module) == {"call": 3}
    assert sum(ops_of(module, "layer_0").values()) == 3


def test_ops_between_layers_stay_between():
    module = chain("layers.0.a", "model", "layers.1.a", "model", kinds=("exp", "tanh"))
    assert_same(module, [randn(4)], *PASSES)
    assert ops_of(module) == {"call": 2, "pointwise<tanh>": 2}


def test_a_layer_that_another_one_interrupts_is_refused():
    module = chain("layers.0.a", "layers.1.a", "layers.0.b", "layers.2.a", "layers.3.a", kinds=("exp",))
    ledger = assert_same(module, [randn(4)], *PASSES)
    assert refusals(ledger, "outline-layers") == ["a value leaves the layer and comes back into it"] * 2
    assert ops_of(module)["call"] == 2


@pytest.mark.parametrize("swapped", [False, True])
def test_wiring_counts(swapped):
    """a - b and b - a are the same ops on the same values, and not the same layer."""
    block = Block(arg_types=[ROW, ROW])
    results = []
    for layer in range(2):
        parts = [flow.PointwiseOp(kind, [block.args[layer]]) for kind in ("exp", "tanh")]
        a, b = (op.result for op in (parts[::-1] if swapped and layer else parts))
        last = flow.PointwiseOp("sub", [a, b])
        for op in (*parts, last):
            op.location = location(f"h.{layer}.mlp")
            block.add_op(op)
        results.append(last.result)
    block.add_op(func.ReturnOp(*results))
    module = ModuleOp([func.FuncOp("main", ([ROW, ROW], [ROW, ROW]), Region(block))])
    assert_same(module, [randn(4), randn(4, seed=1)], *PASSES)
    assert ops_of(module)["call"] == (0 if swapped else 2)


def test_an_argument_that_only_some_layers_share_is_two_arguments():
    """x + x in one layer and x + y in another are one function of two arguments."""
    block = Block(arg_types=[ROW, ROW])
    x, y = block.args
    results = []
    for layer, other in enumerate((x, y)):
        op = flow.PointwiseOp("add", [x, other])
        op.location = location(f"h.{layer}.mlp")
        block.add_op(op)
        results.append(op.result)
    block.add_op(func.ReturnOp(*results))
    module = ModuleOp([func.FuncOp("main", ([ROW, ROW], [ROW, ROW]), Region(block))])
    assert_same(module, [randn(4), randn(4, seed=1)], *PASSES)
    assert len(function_of(module, "layer_0").body.block.args) == 2
