"""The canonical form: the same numbers, fewer ops, no transpose where none is needed, and nothing left to do."""

import pytest
import torch
from hypothesis import event, given
from hypothesis import strategies as st
from torch.nn import functional as F
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region

from traced import assert_same, ops_of, randn, traced
from warpweave.ir import flow, reference
from warpweave.ir.dims import Dim
from warpweave.ir.ledger import Ledger
from warpweave.ir.locations import location, modules
from warpweave.ir.text import structural_hash
from warpweave.ir.types import TensorType, shape_of
from warpweave.ir.verify import verify_level
from warpweave.passes import canonicalise

B, S, H, D = 2, 5, 3, 4


def twice(x):
    return x.transpose(1, 2).transpose(1, 2) + x.view(B, S * 12).view(B, S, 12)


def widened(x):
    return x.bfloat16().float().bfloat16() * 1.0


def repeated(x):
    return x.exp() + x.exp() * x[None].expand(3, B, S, 12)[0:1]


def everything(x):
    return torch.cat((x[:, 0:], x[:, :, :0]), -1)[..., 0:12]


def apart(x):
    return torch.cat(x.chunk(3, -1), -1)


def of_a_join(x):
    return torch.cat((x, x.tanh()), 1)[:, S:]


def to_heads(x):
    return x.view(B, S, H, D).transpose(1, 2)


def norms(x):
    return F.rms_norm(to_heads(x), (D,)).transpose(1, 2)


def elementwise(x):
    return (to_heads(x).tanh() * torch.arange(D) + torch.arange(S)[None, None, :, None]).bfloat16().transpose(1, 2)


def reduced(x):
    return torch.softmax(to_heads(x), 2).sum(2, keepdim=True).transpose(1, 2)


def pieces(x):
    return torch.cat((to_heads(x)[..., 1::2], to_heads(x)[..., ::2]), -1).transpose(1, 2)


def split_and_merged(x):
    return to_heads(x.exp())[:, :, None].view(B, H, 1, S, 2, 2).view(B, H, S, D).transpose(1, 2)


def small_first(x):
    return (x[:, :1].expand(B, S, 12).exp() * 2).transpose(1, 2)[..., :3]


def counted(x):
    return x + torch.arange(12)[None, None].float()


def all_seen(x):
    position = torch.arange(S)[:, None]
    return torch.where((position >= 0) & (x > 0), x.tanh(), x)


def some_seen(x):
    position = torch.arange(S)[:, None]
    return torch.where((position >= 1) & (position < S), x.tanh(), x)


SOME = ("ge", "lt", "and", "tanh", "where")
CASES = [
    (all_seen, {"constant": 1, "pointwise<gt>": 1, "pointwise<tanh>": 1, "pointwise<where>": 1}),
    (some_seen, {"iota": 1, "constant": 2, **dict.fromkeys(map("pointwise<{}>".format, SOME), 1)}),
    (counted, {"iota": 1, "cast": 1, "pointwise<add>": 1}),
    (twice, {"pointwise<add>": 1}),
    (widened, {"cast": 1}),
    (repeated, {"pointwise<exp>": 1, "pointwise<mul>": 1, "pointwise<add>": 1, "reshape": 1}),
    (everything, {}),
    (apart, {}),
    (of_a_join, {"pointwise<tanh>": 1}),
    (norms, {"reshape": 1, "rms_norm": 1}),
    (elementwise, {"transpose": 0}),
    (reduced, {"reshape": 1, "softmax": 1, "reduce": 1}),
    (pieces, {"reshape": 1, "slice": 2, "concat": 1}),
    (split_and_merged, {"pointwise<exp>": 1, "reshape": 1}),
    (
        small_first,
        {"slice": 1, "pointwise<exp>": 1, "pointwise<mul>": 1, "constant": 1, "transpose": 1, "broadcast": 1},
    ),
]


@pytest.mark.parametrize(("function", "wanted"), CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_rules(function, wanted):
    module, args = traced(function, randn(B, S, 12))
    assert_same(module, args, canonicalise.run)
    found = ops_of(module)
    if wanted.get("transpose") == 0:
        assert found["transpose"] == 0
    else:
        assert found == wanted


CONSTANTS = {
    "sum": (lambda: torch.full((2,), 1.5) + 2, 3.5),
    "rounded": (lambda: torch.full((2,), 1.0) + torch.full((2,), 1.0, dtype=torch.bfloat16) / 3, 1.333984375),
    "integer division": (lambda: torch.full((2,), 7) // 2, 3),
    "comparison": (lambda: torch.full((2,), 7) > 2, True),
    "choice": (lambda: torch.where(torch.full((2,), True), 1.0, 2.0), 1.0),
    "infinity": (lambda: torch.full((2,), 0.0) - float("inf"), float("-inf")),
    "wide integer": (lambda: torch.full((2,), 2**60 + 1) + 0, 2**60 + 1),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_computed(name):
    function, number = CONSTANTS[name]
    module, args = traced(function)
    canonicalise.run(module, Ledger())
    assert ops_of(module) == {"constant": 1}
    (result,) = reference.run(module, args)
    assert result.tolist() == [number] * 2


def test_identities_change_no_type():
    module, args = traced(lambda x: (x * torch.ones(1, 1, dtype=torch.float64), x - torch.zeros(3, 4), x - 0), randn(4))
    assert_same(module, args, canonicalise.run)
    assert ops_of(module) == {"cast": 1, "broadcast": 2}


def test_adding_zero_is_no_identity():
    module, args = traced(lambda x: (x + 0, torch.zeros(3, 4) + x, x + -0.0), randn(4))
    assert_same(module, args, canonicalise.run)
    assert ops_of(module)["pointwise<add>"] == 2


def test_equal_ops_of_two_layers_keep_both_places():
    block = Block(arg_types=[TensorType.of([4], "f32")])
    for layer in range(2):
        for kind in ("exp", "tanh"):
            op = flow.PointwiseOp(kind, [block.args[0]])
            op.location = location(f"layers.{layer}.{kind}")
            block.add_op(op)
    block.add_op(func.ReturnOp(*(op.results[0] for op in block.ops)))
    types = [v.type for v in block.last_op.operands]
    module = ModuleOp([func.FuncOp("main", ([block.args[0].type], types), Region(block))])
    assert_same(module, [randn(4)], canonicalise.run)
    first, second, _ = block.ops
    assert modules(first) == ["layers.0.exp", "layers.1.exp"]
    assert modules(second) == ["layers.0.tanh", "layers.1.tanh"]


def test_appends_are_neither_merged_nor_dropped():
    cache, new = TensorType.of([1, 2, 8, 4], "f32"), TensorType.of([1, 2, 1, 4], "f32")
    block = Block(arg_types=[cache, new, TensorType.of([1], "i64")])
    appends = [flow.KVAppendOp(*block.args, axis=2, in_place=True) for _ in range(2)]
    block.add_ops(appends)
    block.add_op(func.ReturnOp(appends[1].result))
    module = ModuleOp([func.FuncOp("main", ([a.type for a in block.args], [cache]), Region(block))])
    assert_same(module, [randn(1, 2, 8, 4), randn(1, 2, 1, 4), torch.tensor([3])], canonicalise.run)
    assert ops_of(module) == {"kv_append": 2}


# ---- random programs -------------------------------------------------------------------------------------------

ORDERS = [(0, 1, 2), (1, 0, 2), (0, 2, 1), (2, 0, 1), (2, 1, 0), (1, 2, 0)]
UNARY = ["tanh", "neg", "exp"]


@st.composite
def recipes(draw):
    step = st.tuples(st.integers(0, 11), st.integers(0, 50), st.integers(0, 50))
    return tuple(draw(st.lists(step, min_size=1, max_size=14)))


def build(recipe, symbolic):
    """A module of views, elementwise ops and reductions on rank-3 and rank-4 values, from numbers taken modulo."""
    sizes = ["B", 1, 6] if symbolic else [2, 1, 6]
    block = Block(arg_types=[TensorType.of(sizes, "f32"), TensorType.of([6], "f32")])
    values = [block.args[0]]

    def add(op):
        op.location = location("layers.0")
        block.add_op(op)
        values.append(op.result)

    for kind, a, b in recipe:
        x = values[a % len(values)]
        shape, rank = shape_of(x), len(shape_of(x))
        axis = b % rank
        match kind:
            case 0 | 1:
                order = list(range(rank))
                i, j = a % rank, b % rank
                order[i], order[j] = order[j], order[i]
                add(flow.TransposeOp(x, order))
            case 2:
                add(flow.PointwiseOp(UNARY[b % 3], [x]))
            case 3:
                others = [v for v in values if shape_of(v) == shape]
                add(flow.PointwiseOp("add", [x, others[b % len(others)]]))
            case 4:
                add(flow.CastOp(x, ["bf16", "f32", "f64"][b % 3]))
            case 5:
                add(flow.ReduceOp("mean", x, [axis]))
            case 6 if rank < 5:
                add(flow.ReshapeOp(x, [*shape[:axis], 1, *shape[axis:]]))
            case 7 if shape[axis] == Dim.of(6) and rank < 5:
                add(flow.ReshapeOp(x, [*shape[:axis], 2, 3, *shape[axis + 1 :]]))
            case 8 if rank > 1 and axis + 1 < rank:
                add(flow.ReshapeOp(x, [*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]]))
            case 9 if shape[axis] == Dim.of(1):
                add(flow.BroadcastOp(x, [*shape[:axis], 3, *shape[axis + 1 :]]))
            case 10 if shape[axis].is_const and shape[axis].value >= 3:
                starts, steps, sizes = [0] * rank, [1] * rank, list(shape)
                starts[axis], steps[axis], sizes[axis] = 1, 2, Dim.of(1)
                add(flow.SliceOp(x, starts, sizes, steps))
            case 11:
                add(flow.ConcatOp([x, x], axis) if b % 2 else flow.SoftmaxOp(x, axis))
            case _:
                pass
    block.add_op(func.ReturnOp(*values[-3:]))
    types = [v.type for v in values[-3:]]
    return ModuleOp([func.FuncOp("main", ([a.type for a in block.args], types), Region(block))])


@given(recipes(), st.booleans())
def test_random_programs_keep_their_numbers(recipe, symbolic):
    module = build(recipe, symbolic)
    verify_level(module, "flow")
    before = sum(ops_of(module).values())
    assert_same(module, [randn(2, 1, 6), randn(6)], canonicalise.run, bound=1e-12)
    event("smaller" if sum(ops_of(module).values()) < before else "as large")


@given(recipes())
def test_canonical_programs_stay_as_they_are(recipe):
    module = build(recipe, symbolic=True)
    canonicalise.run(module, Ledger())
    once = structural_hash(module)
    canonicalise.run(module, Ledger())
    assert structural_hash(module) == once
