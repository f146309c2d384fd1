"""The `flow` dialect: what is computed, on whole tensors, with named symbolic dims.

Values are `!flow.tensor`. Float arithmetic is done in f32 (f64 if an operand is f64) and rounded to the result
type. Every op is pure except `kv_append`, which in-place rewriting may turn into a write of its cache operand.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from ..types import DimAttr, TensorType
from .base import Float, FlowOp, optional_format, real
from .elementwise import CastOp, ConstantOp, DimValueOp, IotaOp, PointwiseOp
from .experts import GroupedLinearOp, RouteOp, ScatterRowsOp, sum_of_choices
from .lookups import AtenOp, EmbeddingOp, KVAppendOp
from .products import INT8_DEPTH, AttentionOp, LinearOp, MatmulOp, RopeOp, sums_fit_i32
from .reductions import REDUCTIONS, LayerNormOp, ReduceOp, RMSNormOp, RowMeanOp, RowScaleOp, RowStatsOp, SoftmaxOp
from .views import BroadcastOp, ConcatOp, ReshapeOp, SliceOp, TransposeOp

__all__ = [
    "INT8_DEPTH",
    "REDUCTIONS",
    "VIEWS",
    "AtenOp",
    "AttentionOp",
    "BroadcastOp",
    "CastOp",
    "ConcatOp",
    "ConstantOp",
    "DimValueOp",
    "EmbeddingOp",
    "Float",
    "Flow",
    "FlowOp",
    "GroupedLinearOp",
    "IotaOp",
    "KVAppendOp",
    "LayerNormOp",
    "LinearOp",
    "MatmulOp",
    "PointwiseOp",
    "RMSNormOp",
    "ReduceOp",
    "ReshapeOp",
    "RopeOp",
    "RouteOp",
    "RowMeanOp",
    "RowScaleOp",
    "RowStatsOp",
    "ScatterRowsOp",
    "SliceOp",
    "SoftmaxOp",
    "TransposeOp",
    "optional_format",
    "real",
    "sum_of_choices",
    "sums_fit_i32",
]

VIEWS = (ReshapeOp, TransposeOp, BroadcastOp, SliceOp)

Flow = Dialect(
    "flow",
    [
        PointwiseOp, CastOp, ConstantOp, DimValueOp, IotaOp, ReshapeOp, TransposeOp, BroadcastOp, SliceOp, ConcatOp,
        ReduceOp, SoftmaxOp, RMSNormOp, LayerNormOp, RowStatsOp, RowScaleOp, RowMeanOp, LinearOp, MatmulOp, RopeOp,
        AttentionOp, EmbeddingOp, KVAppendOp, RouteOp, GroupedLinearOp, ScatterRowsOp, AtenOp,
    ],
    [TensorType, DimAttr],
)  # fmt: skip
