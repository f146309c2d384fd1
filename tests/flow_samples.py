"""One small function around each op: what the round-trip and reference tests walk over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue

from warpweave.ir import flow, fused
from warpweave.ir.types import TensorType

T = TensorType.of
Build = Callable[[Sequence[SSAValue]], Operation]

_X, _IDS = T(["B", "S", 64], "f32"), T(["B", "S"], "i64")
_HEADS, _CACHE = T(["B", "S", 4, 16], "f32"), T(["B", 2, "L", 16], "f32")
_KV, _COS = T(["B", "L", 2, 16], "f32"), T([1, "S", 16], "f32")
_W, _V, _STATS = T([96, 64], "f32"), T([64], "f32"), T(["B", "S", 4], "f32")


def _gemm(v: Sequence[SSAValue]) -> Operation:
    block = Block(arg_types=[fused.GemmOp.accumulator_type(v[0], v[1]), T([96], "f32")])
    bias = flow.PointwiseOp("add", block.args)
    act = flow.PointwiseOp("silu", [bias.result])
    block.add_ops([bias, act, fused.YieldOp(act.result)])
    return fused.GemmOp(v[0], [v[1]], [v[2]], Region(block), [T(["B", "S", 96], "bf16")])


def _map(v: Sequence[SSAValue]) -> Operation:
    block = Block(arg_types=[_X])
    top = flow.ReduceOp("max", block.args[0], [2])
    rest = flow.PointwiseOp("sub", [block.args[0], top.result])
    block.add_ops([top, rest, fused.YieldOp(rest.result)])
    return fused.MapOp(v, Region(block), [_X])


def _attention(v: Sequence[SSAValue]) -> flow.AttentionOp:
    return flow.AttentionOp(v[0], v[1], v[2], 0.25, causal=True, offset=2, window=5, softcap=30.0)


_SCORES, _ROWS = T(["T", 6], "f32"), T(["R", 64], "f32")
_SLOTS, _OFFSETS, _EXPERTS = T(["R"], "i64"), T([7], "i64"), T([6, 96, 64], "f32")


def _grouped_gemm(v: Sequence[SSAValue]) -> Operation:
    block = Block(arg_types=[fused.GemmOp.accumulator_type(v[0], v[1], v[3]), T(["R"], "i64")])
    back = flow.ScatterRowsOp(block.args[0], block.args[1])
    block.add_ops([back, fused.YieldOp(back.result)])
    return fused.GemmOp(v[0], [v[1]], [v[2]], Region(block), [T(["R", 96], "bf16")], v[3], v[4])


SAMPLES: dict[str, tuple[Sequence[TensorType], Build]] = {
    "pointwise": ([_X, _V], lambda v: flow.PointwiseOp("mul", v)),
    "compare": ([_X, _V], lambda v: flow.PointwiseOp("le", v)),
    "cast": ([_X], lambda v: flow.CastOp(v[0], "bf16")),
    "constant": ([], lambda v: flow.ConstantOp(0.1, T([2, 3], "f32"))),
    "constant_inf": ([], lambda v: flow.ConstantOp(float("-inf"), T([2, 3], "bf16"))),
    "constant_i64": ([], lambda v: flow.ConstantOp(2**62 + 1, T([2], "i64"))),
    "dim_value": ([_IDS], lambda v: flow.DimValueOp("S + 1")),
    "iota": ([_IDS], lambda v: flow.IotaOp(T(["B", "S"], "i64"), 1, 3, 2)),
    "reshape": ([_X], lambda v: flow.ReshapeOp(v[0], ["B", "S", 4, 16])),
    "transpose": ([_X], lambda v: flow.TransposeOp(v[0], [0, 2, 1])),
    "broadcast": ([_V], lambda v: flow.BroadcastOp(v[0], [3, 5, 64])),
    "slice": ([_X], lambda v: flow.SliceOp(v[0], [0, "S - 1", 1], ["B", 1, 21], [1, 1, 3])),
    "concat": ([_X, _X], lambda v: flow.ConcatOp(v, 2)),
    "reduce": ([_X], lambda v: flow.ReduceOp("mean", v[0], [2])),
    "softmax": ([_X], lambda v: flow.SoftmaxOp(v[0], 2)),
    "rms_norm": ([_X, _V], lambda v: flow.RMSNormOp(v[0], v[1], 1e-6, unit_offset=True)),
    "layer_norm": ([_X, _V, _V], lambda v: flow.LayerNormOp(v[0], v[1], v[2], 1e-5)),
    "row_stats": ([_X], lambda v: flow.RowStatsOp(v[0], "moments", 48)),
    "row_scale": ([_STATS], lambda v: flow.RowScaleOp(v[0], "moments", 64, 48, 1e-5)),
    "row_mean": ([_STATS], lambda v: flow.RowMeanOp(v[0], 64)),
    "linear": ([_X, _W, T([96], "f32")], lambda v: flow.LinearOp(v[0], v[1], v[2])),
    "matmul": ([_X, T([64, 5], "f32")], lambda v: flow.MatmulOp(v[0], v[1])),
    "rope": ([_HEADS, _COS, _COS], lambda v: flow.RopeOp(v[0], v[1], v[2], "half")),
    "attention": ([_HEADS, _KV, _KV], _attention),
    "attention_mask": (
        [_HEADS, _KV, _KV, T([1, 1, "S", "L"], "i1"), T([4], "f32")],
        lambda v: flow.AttentionOp(v[0], v[1], v[2], 0.25, mask=v[3], sinks=v[4]),
    ),
    "attention_start": (
        [_HEADS, _KV, _KV, T([], "i64")],
        lambda v: flow.AttentionOp(v[0], v[1], v[2], 0.25, causal=True, offset="S", window=3, start=v[3]),
    ),
    "embedding": ([_IDS, _W], lambda v: flow.EmbeddingOp(v[0], v[1])),
    "kv_append": (
        [_CACHE, T(["B", 2, "S", 16], "f32"), T(["S"], "i64")],
        lambda v: flow.KVAppendOp(v[0], v[1], v[2], 2, in_place=True),
    ),
    "route": ([_SCORES], lambda v: flow.RouteOp(v[0], 2, softmax=True, normalised=True, element="bf16")),
    "grouped_linear": ([_ROWS, _EXPERTS, _OFFSETS], lambda v: flow.GroupedLinearOp(v[0], v[1], v[2])),
    "scatter_rows": ([_ROWS, _SLOTS], lambda v: flow.ScatterRowsOp(v[0], v[1])),
    "aten": (
        [_X],
        lambda v: flow.AtenOp(
            "aten.cumsum.default", '{"args": [{"tensor": 0}, 1], "kwargs": {}}', "no lowering", v, [_X]
        ),
    ),
    "gemm": ([_X, _W, T([96], "f32")], _gemm),
    "grouped_gemm": ([T(["T", 64], "f32"), _EXPERTS, _SLOTS, _SLOTS, _OFFSETS], _grouped_gemm),
    "route_kernel": ([_SCORES], lambda v: fused.RouteKernelOp.of(flow.RouteOp(v[0], 3))),
    "map": ([_X], _map),
    "attention_kernel": (
        [_HEADS, _KV, _KV],
        lambda v: fused.AttentionKernelOp.of(_attention(v)),
    ),
    "matmul_kernel": ([_X, T([64, 5], "f32")], lambda v: fused.MatmulKernelOp(v[0], v[1], T(["B", "S", 5], "f32"))),
    "copy": ([_X, _X], lambda v: fused.CopyOp(v, 1, T(["B", "2*S", 64], "f32"))),
}


def module_of(types: Sequence[TensorType], build: Build) -> ModuleOp:
    """`@main` that returns the results of one op on its arguments."""
    block = Block(arg_types=types)
    op = build(block.args)
    block.add_ops([op, func.ReturnOp(*op.results)])
    main = func.FuncOp("main", (list(types), [r.type for r in op.results]), Region(block))
    return ModuleOp([main])


def sample(name: str) -> ModuleOp:
    """The module of one sample."""
    return module_of(*SAMPLES[name])
