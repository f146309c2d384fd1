"""The mutants: deliberately wrong passes, kernels, semantics and plans, each of which the kit must find.

A row: its name, the level whose oracle hunts it, what is edited (function or header, old text, new text), and the programs
that show it first.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import weight_writers as w
from mutants import programs as p
from mutants.edits import edited, header
from warpweave.ir.testing.recipes.attention import Attention
from warpweave.ir.testing.recipes.experts import Experts
from warpweave.ir.testing.recipes.flow import Block, FlowRecipe
from warpweave.ir.testing.recipes.fused import Attend, Copy, FusedRecipe, Gemm, Map, Product, RegionOp
from warpweave.ir.testing.recipes.layout import LayoutRecipe, View
from warpweave.ir.testing.recipes.norms import Activation, Norm, Softmax
from warpweave.ir.testing.recipes.steps import Choice, Gated, Linear, Reduction, Scalar, Viewed
from warpweave.ir.testing.recipes.tile import TileOp, TileRecipe
from warpweave.ir.testing.recipes.writes import Overwritten


@dataclass(frozen=True)
class Mutant:
    name: str
    level: str
    target: str
    old: str
    new: str
    programs: tuple[Any, ...] = ()

    def applied(self) -> AbstractContextManager[None]:
        """The mutant, for the time of a `with`."""
        edit = header if self.target.endswith(".h") else edited
        return edit(self.target, self.old, self.new)


def flow(*steps: Any, **more: Any) -> FlowRecipe:
    return FlowRecipe(steps=steps, **more)


def fused(*kernels: Any, **more: Any) -> FusedRecipe:
    return FusedRecipe(kernels=kernels, **more)


SIGMOID, TIMES = RegionOp("unary", 5), RegionOp("binary", 1, 0, 0)
RMS, LAYER = Norm(), Norm(centred=True)
DEFERRED = flow(Block(RMS, Linear(columns=8)))
CENTRED = flow(Linear(columns=65), LAYER)
CAPTURED = p.written(p.experts_as_captured, width=8, length=7)
SPELLED = flow(Attention(spelled=True, causal=True, groups=2))

FOLDS = [
    Mutant("numbers of each column are taken for those of each row", "flow", "passes.unflatten_linears:_sink",
           "op.dims_reduced != (1,)", "False", (p.written(p.int8_rows, width=8, length=1),)),
    Mutant("adding any number is adding zero", "flow", "passes.folds:identity_arithmetic",
           "and value == neutral[0]", "", (flow(Scalar(kind="add")),)),
    Mutant("transposes composed the wrong way round", "layout", "passes.folds:transpose_of_transpose",
           "inner.order[p] for p in op.order", "op.order[p] for p in inner.order",
           (LayoutRecipe((2, 3, 7), (View("transpose", 0, 1), View("transpose", 1, 2))),)),
    Mutant("start of a slice of a slice not stepped", "layout", "passes.folds:slice_of_slice",
           "further.data * step.data", "further.data",
           (LayoutRecipe((2, 16), (View("slice", 1, 1), View("slice", 1, 1))),)),
    Mutant("slice of a concatenation reads at the whole's place", "flow", "passes.folds:slice_of_concat",
           "before = start - offset", "before = start", (flow(Viewed(kind="turn_halves"), Viewed(kind="tail"), width=7),)),
    Mutant("pieces in any order are the whole", "flow", "passes.folds:concat_of_adjacent_slices",
           "(position if i == axis else Dim())", "(s.data if i == axis else Dim())", (flow(Viewed(kind="turn_halves")),)),
    Mutant("reshape forgets the transpose before it", "flow", "passes.folds:reshape_of_unit_transpose",
           "if inner is not None and moves_only_units(inner)", "if inner is not None", (flow(Viewed(kind="swap")),)),
    Mutant("step of a slice of a slice forgotten", "layout", "passes.folds:slice_of_slice",
           "step.data * stride.data", "stride.data", (LayoutRecipe((2, 16), (View("slice", 1, 1), View("slice", 1, 0))),)),
    Mutant("axis of a reduction not permuted", "flow", "passes.sinking:sink_transpose_through_reduce",
           "inner.order[a] for a", "a for a", (p.written(p.reduced_transposed),)),
    Mutant("axis of a softmax not permuted", "flow", "passes.sinking:sink_transpose_through_softmax",
           "inner.order[op.axis.data]", "op.axis.data", (p.written(p.softmax_transposed),)),
    Mutant("axis of a concatenation not permuted", "flow", "passes.sinking:sink_transpose_through_concat",
           "first.order[op.axis.data]", "op.axis.data", (p.written(p.joined_transposed),)),
    Mutant("norm over another dim than the last", "flow", "passes.sinking:sink_transpose_through_norm",
           "inner is None or inner.order[-1] != len(inner.order) - 1", "inner is None",
           (p.written(p.norm_transposed),)),
    Mutant("slice not permuted back", "layout", "passes.sinking:sink_transpose_through_slice",
           "back = _inverse(inner.order)", "back = inner.order",
           (LayoutRecipe((2, 3, 7), (View("transpose", 0, 1), View("transpose", 1, 2), View("slice", 0, 1))),)),
    Mutant("broadcast of a slice starts at zero", "layout", "passes.sinking:sink_broadcast_through_slice",
           "starts = [0 if one else s.data", "starts = [0",
           (LayoutRecipe((1, 16), (View("broadcast", 0, 2), View("slice", 1, 3))),)),
    Mutant("operands of a pointwise op swapped", "flow", "passes.sinking:sink_transpose_through_pointwise",
           "inner = PointwiseOp(op.kind.data, plain,", "inner = PointwiseOp(op.kind.data, plain[::-1],",
           (p.written(p.difference_transposed),)),
]  # fmt: skip
RECOGNITION = [
    Mutant("norm scaled by another tensor's statistics", "flow", "passes.recognise_rms_norm:why_not",
           "squared is not norm.value", "False", (p.written(p.norm_of_another),)),
    Mutant("norm over positions taken for one over columns", "flow", "passes.recognise_rms_norm:why_not",
           "norm.mean.dims_reduced != (len(shape) - 1,)", "False", (p.written(p.norm_over_positions),)),
    Mutant("any offset of a norm's weight is one", "flow", "passes.recognise_rms_norm:_weight",
           "number(one) == 1.0", "number(one) is not None", (p.written(p.norm_with_half_offset),)),
    Mutant("epsilon of a recognised norm lost", "flow", "passes.recognise_rms_norm:_rewrite",
           "eps = float(number(norm.eps) or 0.0)", "eps = 0.0", (flow(Norm(spelled=True, eps=0.1)),)),
    Mutant("any two halves are a rotation", "flow", "passes.recognise_rope:_is_turned",
           "return (second.columns(x), first.columns(x)) == expected", "return True", (p.written(p.almost_rope),)),
    Mutant("cosine and sine swapped", "flow", "passes.recognise_rope:_find_sum",
           "Rope(x, cos, sin, parts[2]", "Rope(x, sin, cos, parts[2]", (flow(Attention(rope="spelled", size=8)),)),
    Mutant("nearly GELU is GELU", "flow", "passes.recognise_activations:same", "rel_tol=2e-6", "rel_tol=0.2",
           (p.written(p.almost_gelu),)),
    Mutant("mask and scale change places", "flow", "passes.recognise_attention.scores:_is_outermost",
           "scores.scale == 1.0 and ", "", (p.written(p.mask_below_scale),)),
    Mutant("scale of spelled attention lost", "flow", "passes.recognise_attention.scores:_scaled",
           "scores.scale * factor if", "scores.scale if", (SPELLED,)),
    Mutant("hidden and seen keys swapped", "flow", "passes.recognise_attention.surgery:_kept",
           "condition if choice.keep else", "condition if not choice.keep else", (SPELLED,)),
    Mutant("a row that sees nothing is 0, however attention is spelled", "flow", "passes.recognise_attention.surgery:rewrite",
           "undefined=not scores.safe", "undefined=False", (p.written(p.sees_nothing, length=5),)),
    Mutant("a number in place of a score hides its key", "flow", "passes.recognise_attention.surgery:rewrite",
           "fill if fill is not None and fill != -math.inf else None", "None", (p.written(p.sees_equal_numbers, length=5),)),
    Mutant("causal mask off by one", "flow", "passes.recognise_masks:_enter",
           "mask.causal = -form.const if", "mask.causal = -form.const + 1 if", (SPELLED,)),
    Mutant("window off by one", "flow", "passes.recognise_masks:_width", "- mask.window + 1", "- mask.window + 2",
           (p.written(p.window_of_positions, length=7),)),
    Mutant("layers that differ in a number are one", "flow", "passes.outline_layers.identity:difference",
           "if x.properties != y.properties:", "if False:", (p.written(p.other_number_each_layer, layers=2),)),
]  # fmt: skip
FUSION = [
    Mutant("product and factor of a deferred norm added", "flow", "passes.defer_norms:_rewrite_linear",
           'flow.PointwiseOp("mul", [product, scale]', 'flow.PointwiseOp("add", [product, scale]', (DEFERRED,)),
    Mutant("scale applied twice", "flow", "passes.defer_norms:_rewrite_linear",
           "[product, scale]", '[insert(flow.PointwiseOp("mul", [product, scale])), scale]', (DEFERRED,)),
    Mutant("unit offset of a deferred norm dropped", "flow", "passes.defer_norms:_gain",
           "norm.unit_offset is None", "True", (flow(Block(Norm(unit_offset=True), Linear())),)),
    Mutant("epsilon of a decomposed norm dropped", "flow", "passes.decompose_norms:_norm",
           "flow.ConstantOp(eps,", "flow.ConstantOp(0.0,", (flow(Viewed(), Norm(eps=0.1)),)),
    Mutant("weight of a decomposed norm dropped", "flow", "passes.decompose_norms:_norm",
           "    if weight is not None:\n", "    if False:\n", (flow(Norm()),)),
    Mutant("softmax divides by its largest power", "flow", "passes.decompose_norms:_softmax",
           'flow.ReduceOp("sum"', 'flow.ReduceOp("max"', (flow(Softmax()),)),
    Mutant("packed weight cut at its start", "flow", "passes.split_linears:_cut",
           "*columns.starts,", "*(0 for _ in columns.starts),", (flow(Gated(packed=True, spelled=True)),)),
    Mutant("packed weight cut without its step", "flow", "passes.split_linears:_columns",
           "steps[i] = start.data.value, size.value, step.data", "steps[i] = start.data.value, size.value, 1",
           (flow(Linear(), Viewed(kind="every_other")),)),
    Mutant("bias subtracted in an epilogue", "flow", "passes.fuse_gemm.emission:emit",
           'flow.PointwiseOp("add", [body.values[linear.result]', 'flow.PointwiseOp("sub", [body.values[linear.result]',
           (flow(Linear(biased=True)),)),
    Mutant("producer with several users fused away", "flow", "passes.fuse_gemm.emission:emit",
           "if any(u not in inside for u in users(r))", "if all(u not in inside for u in users(r))",
           (p.written(p.linear_read_twice),)),
    Mutant("an op joins the kernel that it waits for", "flow", "passes.fuse_gemm.legality:why_not",
           "not graph.can_merge(gemm.node, graph.node(op))", "False", (p.written(p.linear_read_twice),)),
    Mutant("sides of an epilogue used before they are made", "flow", "passes.fuse_gemm.emission:emit",
           "    for op in steps:\n", "    for op in reversed(steps):\n", (flow(Linear(), Activation(), Scalar()),)),
    Mutant("reduction over positions taken over columns", "flow", "passes.fuse_map:_reduce_last",
           "if [*kept, *axes] != list(range(len(shape))):", "if False:", (flow(Reduction(axis=1), width=3),)),
    Mutant("rows that are all read narrowed", "flow", "passes.narrow_rows:why_not", "len(users(view.input)) > 1", "False",
           (flow(Linear(), Viewed(kind="repeat")),)),
]  # fmt: skip
TILES = [
    Mutant("main loop begins at its second step", "fused", "passes.form_tiles.gemm:_main_loop",
           "kernel.constant(ctx, 0), kernel.constant(ctx, shape_of", "kernel.constant(ctx, step), kernel.constant(ctx, shape_of",
           (fused(Gemm()),)),
    Mutant("tail of the columns not masked", "fused", "passes.form_tiles.statistics:column_limit",
           "columns % ctx.tile[1] == 0", "True", (fused(Gemm(columns=63, ops=(SIGMOID,), stats=True)),)),
    Mutant("epsilon lost in a row factor", "fused", "passes.form_tiles.statistics:row_scale",
           "op.eps.value.data", "0.0", (fused(Gemm(sides="s", ops=(TIMES,))),)),
    Mutant("spread of the partial means left out", "flow", "passes.form_tiles.statistics:row_scale",
           'pointwise(ctx, "add", m2, between)', "m2", (CENTRED,)),
    Mutant("concatenated pieces all at the start", "fused", "passes.form_tiles.copy:lower",
           "position * step)", "Dim())", (fused(Copy()),)),
    Mutant("mean not divided", "fused", "passes.form_tiles.map:MapRegion.reduce",
           'if op.kind.data == "mean":', "if False:", (fused(Map(ops=(RegionOp("reduce", 1, 0, 1),))),)),
    Mutant("sum of a long row starts at one", "fused", "passes.form_tiles.map:MapRegion._identity",
           "number(ctx, 0.0, element)", "number(ctx, 1.0, element)",
           (flow(Reduction(axis=0), batch="B"), fused(Map(ops=(RegionOp("reduce", 0),)), width=600))),
    Mutant("query does not see its own key", "fused", "passes.form_tiles.attention.visible:visible",
           '"le", key, last', '"lt", key, last', (fused(Attend(causal=True)),)),
    Mutant("window one key too wide", "fused", "passes.form_tiles.attention.visible:visible",
           '"gt", beyond, last', '"ge", beyond, last', (fused(Attend(window=2, keys=7, causal=True), length=7),)),
    Mutant("block at a window's left edge taken whole", "fused", "passes.form_tiles.attention.visible:bounds",
           "window - 1 - round_up", "window - 1", (fused(Attend(window=200, keys=400, causal=True), length=400),)),
    Mutant("block at a window's right edge taken whole", "fused", "passes.form_tiles.attention.visible:bounds",
           "high = blocks(seen(ctx.row)", "high = blocks(seen(last_row)",
           (fused(Attend(window=70, keys=200, causal=True), length=200),)),
    Mutant("keys beyond the last are seen", "fused", "passes.form_tiles.attention.visible:visible",
           '"lt", key, length', '"le", key, length', (fused(Attend(keys=3)),)),
    Mutant("running sum of a softmax not rescaled", "fused", "passes.form_tiles.attention.state:rescaled",
           'pointwise(ctx, "mul", total, fade)', "total", (fused(Attend(keys=127)),)),
    Mutant("soft cap without its factor", "fused", "passes.form_tiles.attention.visible:modified",
           "number(ctx, cap * a.base, element)", "number(ctx, a.base, element)",
           (fused(Attend(softcap=True)),)),
    Mutant("sinks dropped", "flow", "passes.form_tiles.attention.state:with_sinks",
           "if a.op.sinks is None:", "if True:", (flow(Attention(sinks=True)),)),
    Mutant("product stored over itself", "fused", "passes.form_tiles.matmul:lower",
           'carried[0], transposed)', "zero, transposed)", (fused(Product(), width=400),)),
]  # fmt: skip
SEMANTICS = [
    Mutant("attention's own key hidden", "flow", "ir.reference.products:_attention", "columns > last", "columns >= last",
           (flow(Attention(causal=True)),)),
    Mutant("rotation the other way", "flow", "ir.reference.products:_rope", "[-second, first]", "[second, -first]",
           (flow(Attention(rope="half")),)),
    Mutant("pairs of an interleaved rotation swapped", "flow", "ir.reference_tile:rope",
           "-turned[..., 1::2], turned[..., 0::2]", "turned[..., 1::2], -turned[..., 0::2]",
           (flow(Attention(rope="interleaved")),)),
    Mutant("unit offset forgotten", "flow", "ir.reference.reductions:_rms_norm", "1 + scale", "scale",
           (flow(Norm(unit_offset=True)),)),
    Mutant("unbiased variance", "flow", "ir.reference.reductions:_layer_norm", "correction=0", "correction=1", (flow(LAYER),)),
    Mutant("statistics of whole tiles only", "flow", "ir.reference.reductions:_row_scale", "min(width, n - t * width)", "width",
           (CENTRED,)),
    Mutant("wrong broadcast axis", "layout", "ir.layout:Layout.broadcast", "(Dim(),) * added + self.strides",
           "self.strides + (Dim(),) * added", (LayoutRecipe((2, 3), (View("repeat", 0, 2),)),)),
    Mutant("step of a slice not in its stride", "layout", "ir.layout:Layout.sliced", "s * n for s, n", "s for s, n",
           (LayoutRecipe((2, 16), (View("slice", 1, 1),)),)),
    Mutant("what lies outside reads as one", "fused", "ir.reference_tile:Interpreter.load", "torch.zeros(", "torch.ones(",
           (fused(Gemm(), width=129),)),
    Mutant("column limit off by one", "fused", "ir.reference_tile:Interpreter.reduce", ">= self.values", "> self.values",
           (fused(Map(ops=(RegionOp("reduce", 0),)), width=7),
            fused(Gemm(columns=63, ops=(SIGMOID,), stats=True)))),
    Mutant("tiles of a copy stored at one place", "order", "passes.form_tiles.copy:lower",
           "Layout(shape, target.strides, position * step)", "Layout(shape, [Dim()] * len(shape), Dim())",
           (fused(Copy(start=1, twice=False), length=33),)),
    Mutant("sign of a dim lost in its text", "text", "ir.dims:Dim.__str__", '"-" if c < 0 else "+"', '"+"',
           (flow(Viewed(kind="repeat"), length="S"),)),
    Mutant("hash depends on names", "text", "ir.text:structural_hash", "value.name_hint = None", "pass", (flow(Linear()),)),
]  # fmt: skip
SPLIT = fused(Attend(keys=300))  # 300 keys of one head: two parts, for the reference's three threads
SPLITS = [
    Mutant("last keys in no part", "fused", "passes.form_tiles.attention.split:share",
           "blocks = ctx.add(arith.CeilDivSIOp(", "blocks = ctx.add(arith.FloorDivSIOp(", (SPLIT,)),
    Mutant("parts end one block late", "fused", "passes.form_tiles.attention.split:share",
           "last = ctx.add(arith.MinSIOp(end, ctx.add(arith.AddiOp(first, width))))", "last = end", (SPLIT,)),
    Mutant("maximum of a part not weighed in its values", "fused", "passes.form_tiles.attention.split:merge",
           'pointwise(at, "mul", acc, weight)', "acc", (SPLIT,)),
    Mutant("maximum of a part not weighed in its sum", "fused", "passes.form_tiles.attention.split:merge",
           'pointwise(at, "mul", total, weight)', "total", (SPLIT,)),
    Mutant("first part merged again and again", "fused", "passes.form_tiles.attention.split:merge",
           "arith.AddiOp(first.result, part)", "arith.AddiOp(first.result, kernel.constant(ctx, 0))", (SPLIT,)),
    Mutant("parts merged before they are there", "fused", "passes.form_tiles.attention.split:merge",
           "kernel.barrier()", "pass", (SPLIT,)),
    Mutant("sinks counted in every part", "flow", "passes.form_tiles.attention:lower",
           "before = with_sinks if splits is None else nothing_seen", "before = with_sinks",
           (flow(Attention(sinks=True)),)),
]  # fmt: skip
PLACES = [
    Mutant("cache overwritten that the caller keeps", "flow", "passes.append_in_place:_is_stored_back",
           "return any((place, cache.index) in mutations_of(function) for place in places)", "return True",
           (p.written(p.rows_in_a_cache_that_is_kept),)),
    Mutant("rows of other widths unflattened", "flow", "passes.unflatten_linears:why_not",
           "if before[-1] != after[-1]:", "if False:", (p.written(p.linear_on_other_rows),)),
    Mutant("statistics of another tensor taken", "flow", "passes.hoist_stats:_merge",
           "key = (op.name, op.operands[0],", "key = (op.name,",
           (flow(Block(RMS, Linear(columns=8)), Block(RMS, Linear(columns=8))),)),
    Mutant("a layer's constant is every constant", "flow", "passes.hoist_constants:_equal_op",
           "list(other.operands) == operands", "len(other.operands) == len(operands)",
           (p.written(p.linear_of_shared_and_own_weights, layers=2),)),
    Mutant("a view's offset forgotten", "flow", "passes.materialise:_is_whole",
           "layout.is_contiguous and layout.offset == Dim()", "layout.is_contiguous", (p.written(p.rows_of_ids_at_an_offset),)),
]  # fmt: skip
JOIN = TileOp(9)
PARTS = TileRecipe(columns=1, rows=8, reduce="max", ops=(JOIN,))
KERNELS = [
    Mutant("bf16 cut off, not rounded", "kernel", "ww_types.h", "(u + 0x7fffu + ((u >> 16) & 1u)) >> 16", "u >> 16",
           (TileRecipe(dtype="bf16", rows=8, columns=16, ops=(TileOp(0),)),)),
    Mutant("threads leave a gap", "kernel", "ww_types.h", "*end = total * (tid + 1) / nt;",
           "*end = total * (tid + 1) / nt - (tid + 1 < nt);", (TileRecipe(rows=16),)),
    Mutant("sigmoid of the negative", "kernel", "ww_math.h", "return 1.0f / (1.0f + exp_normal(-x));",
           "return 1.0f / (1.0f + exp_normal(x));", (TileRecipe(ops=(TileOp(5),)),)),
    Mutant("activation dropped", "kernel", "ww_math.h", "return x / (1.0f + exp_normal(-x));",
           "return x;", (TileRecipe(ops=(TileOp(0),)),)),
    Mutant("larger and smaller swapped", "kernel", "ww_math.h",
           "float max(float x, float y) { return (x > y", "float max(float x, float y) { return (x < y",
           (TileRecipe(ops=(TileOp(12),), reads=("dense", "dense")),)),
    Mutant("last number of a row not summed", "kernel", "ww_tile.h",
           "for (int i = whole; i < N; ++i) result", "for (int i = whole; i < N - 1; ++i) result",
           (TileRecipe(columns=6, shape=(4, 6), reduce="sum", ops=(JOIN,)),)),
    Mutant("one row more than there are", "kernel", "ww_tile.h", "max(size - start, i64(0))", "max(size - start + 1, i64(0))",
           (TileRecipe(columns=1, rows=7),)),
    Mutant("offset of an access dropped", "kernel", "backends.cpu.access:pointer",
           "symbols.dim(access.offset)]", '"0"]', (TileRecipe(reads=("gapped",)),)),
    Mutant("index of a gather not looked up", "kernel", "backends.cpu.access:_rows",
           'step = f"int64_t({index}[{step}])"', 'step = f"({step})"', (TileRecipe(reads=("gathered",), rows=7),)),
    Mutant("first row beyond a table looked up", "kernel", "ww_tile.h",
           "outside |= uint64_t(index[i]) >= uint64_t(extent);", "outside |= uint64_t(index[i]) > uint64_t(extent);",
           (TileRecipe(reads=("gathered",), rows=7),)),
    Mutant("last entry of a look-up not checked", "kernel", "ww_tile.h",
           "for (i64 i = 0; i < entries; ++i) outside", "for (i64 i = 0; i < entries - 1; ++i) outside",
           (TileRecipe(reads=("gathered",), rows=7),)),
    Mutant("look-ups of negative entries", "kernel", "ww_tile.h",
           "outside |= uint64_t(index[i]) >= uint64_t(extent);", "outside |= index[i] >= extent;",
           (TileRecipe(reads=("gathered",), rows=7),)),
    Mutant("reduction reads one column too many", "kernel", "backends.cpu.rows:RowPrinter._column_op",
           "({run.column} < {self.ctx", "({run.column} <= {self.ctx", (PARTS,)),
    Mutant("condition of a choice negated", "program", "backends.cpu.expressions:pointwise",
           'cast(text, own, "bool") for text', '"!" + cast(text, own, "bool") for text', (flow(Choice()),)),
    Mutant("weights packed in another order", "program", "backends.cpu.pack:pack",
           ".transpose(1, 2).contiguous()", ".transpose(1, 2).flip(2).contiguous()", (flow(Linear()),)),
]  # fmt: skip
RAGGED = TileRecipe(rows=7, columns=9, shape=(3, 6), ops=(TileOp(12),), reads=("dense", "gapped"))
TRITON = [
    Mutant("rows beyond the edge not masked", "triton", "backends.triton.access:_side", "[] if held else", "[] if True else",
           (RAGGED,)),
    Mutant("every tile fits its buffer", "triton", "backends.triton.context:Context._holds",
           "size.value % width == 0", "True", (RAGGED,)),
    Mutant("one lane too many holds a number", "triton", "backends.triton.lanes:Lanes.inside",
           'return f"{lane} < {self.size}"', 'return f"{lane} <= {self.size}"', (p.Sampled("product"),)),
    Mutant("index of a gather is the row", "triton", "backends.triton.access:_gathered",
           'entry = ctx.scope.pure("entry", f"tl.load({sum_of([ctx.buffer(op.index), step])}{guard})")',
           'entry = f"{step}.to(tl.int64)"', (TileRecipe(reads=("gathered",), rows=7),)),
    Mutant("last entry not looked at", "triton", "backends.triton.emit:_phase", "ctx.dim(entries),",
           'ctx.dim(entries) + " - 1",', (TileRecipe(reads=("gathered",), rows=7),)),
    Mutant("padding takes part in products", "triton", "backends.triton.values:Values.factor",
           "if lanes.is_whole or", "if True or", (p.Sampled("product"),)),
    Mutant("padding takes part in reductions", "triton", "backends.triton.tiles:Tiles._reduce",
           "[] if lanes.is_whole else", "[] if True else", (p.Sampled("odd_heads"),)),
    Mutant("largest number begins at zero", "triton", "backends.triton.tiles:Tiles._reduce",
           '"max": low', '"max": "0.0"', (PARTS,)),
    Mutant("small parts of split factors lost", "triton", "backends.triton.dots:dotted",
           'op, [small], "")', 'op, sums, "")', (p.Sampled("mixed"),)),
    Mutant("scale of a product lost", "triton", "backends.triton.dots:dotted", "if product.factor is None",
           "if True", (p.Sampled("attention", "bf16"),)),
    Mutant("second loop begins at the first tile", "triton", "backends.triton.emit:_divided",
           'f"{PROGRAM} - {begin}"', "PROGRAM", (p.Sampled("qkv"),)),
    Mutant("bands of tiles overlap", "triton", "backends.triton.emit:_banded", "{band} * {BAND} + {place} % {height}",
           "{place} % {height}", (TileRecipe(product=True, rows=33, columns=9, shape=(3, 6)),)),
    Mutant("batches change places with columns", "triton", "backends.triton.emit:_part", "rest(number, size_text)", "number",
           (TileRecipe(batch=2, rows=7, columns=9, shape=(3, 6), reads=("batched",)),)),
    Mutant("heads turn the other way", "triton", "backends.triton.rotations:_by_pairs", "{c1} - {x2}", "{c1} + {x2}",
           (p.Sampled("heads_norm"),)),
    Mutant("partner on the wrong side", "triton", "backends.triton.rotations:_by_lanes", "-{y}, {y}", "{y}, -{y}",
           (p.Sampled("odd_heads"),)),
    Mutant("gaps between heads forgotten", "triton", "backends.triton.lanes:Lanes.position",
           "// {self.group} * {self.size}", "// {self.group} * {self.group}", (p.Sampled("odd_heads"),)),
    Mutant("quotients rounded to zero", "triton", "backends.triton.expressions:pointwise",
           "_PLAIN_DIVISION.get(kind, spelling) if positive else", "_PLAIN_DIVISION.get(kind, spelling) if True else",
           (p.Sampled("integers"),)),
    Mutant("product added up in a variable that is still read", "triton", "backends.triton.tiles:Tiles._keep_in_place",
           "if all(order[reader] <= order[maker] for reader in readers):", "if True:", (p.Sampled("running"),)),
]  # fmt: skip
PAIRS = [
    Mutant("scale of queries lost behind their product", "pairs", "backends.cpu.exact_factors:_move",
           "replace_all_uses_with(factor.result)", "replace_all_uses_with(exact.result)", (p.Sampled("attention", "bf16"),)),
    Mutant("queries with their scale and without", "pairs", "backends.cpu.exact_factors:_move",
           "tile.DotOp(scale.inputs[0],", "tile.DotOp(op.a,", (p.Sampled("attention", "bf16"),)),
    Mutant("pairs of weights the wrong way round", "pairs", "backends.cpu.pack:_groups", ".transpose(1, 2)",
           ".transpose(1, 2).flip(3)", (p.Sampled("gemm_gelu", "bf16"),)),
    Mutant("sums of int8 products without their correction", "kernel", "backends.cpu.pack:pack", "-128 * weight", "0 * weight",
           (p.Sampled("gemm_int8"),)),
    Mutant("left int8 numbers not raised to unsigned ones", "kernel", "ww_micro.h", "uint8_t(in[i] ^ 0x80)", "uint8_t(in[i])",
           (p.Sampled("gemm_int8"),)),
    Mutant("pairs of values are of one row", "pairs", "ww_dot.h", "load_partial(row + ldb, cols - j)",
           "load_partial(row, cols - j)", (p.Sampled("attention", "bf16"),)),
]  # fmt: skip
EXPERTS = [
    Mutant("weights of experts not divided by their sum", "flow", "passes.recognise_experts:_route",
           "softmax is not None, quotient is not None,", "softmax is not None, False,", (CAPTURED,)),
    Mutant("rows gathered where they are put back", "flow", "passes.recognise_experts:_put_back",
           "ScatterRowsOp(reader.operands[0], route.slots)", "EmbeddingOp(route.slots, reader.operands[0])", (CAPTURED,)),
    Mutant("a choice is not added", "flow", "ir.flow.experts:sum_of_choices", "for part in rest:",
           "for part in rest[1:]:", (CAPTURED,)),
    Mutant("third expert may be the first again", "flow", "passes.form_tiles.route:_choices",
           "taken = chosen if taken is None else", "taken = chosen if True else",
           (flow(Experts(top_k=3, experts=4), width=8, length=33),)),
    Mutant("slots are their tokens", "kernel", "ww_tile.h", "slots[row] = i,", "slots[row] = i / top_k,",
           (p.Sampled("group_rows"),)),
    Mutant("every tile takes the first rows' factors", "kernel", "backends.cpu.emit_gemm:_prologue",
           "{array}[{first} - {origin} + r]", "{array}[r]", (p.Sampled("gated_stats"),)),
    Mutant("a block's factors counted from the first row of all", "kernel", "backends.cpu.emit_gemm:_prologue",
           'out(f"{origin} = {first};")', "pass", (p.Sampled("gated_stats"),)),
    Mutant("every group reads the first rows", "kernel", "backends.cpu.emit_gemm:_call",
           'f"({begin} + m)" if begin else "m"', '"m"', (p.Sampled("grouped"),)),
    Mutant("every group has the first expert's weight", "kernel", "backends.cpu.emit_gemm:_weight",
           'f"{text} + {group} * {math.prod(shape) // ctx.per}"', "text", (p.Sampled("grouped"),)),
    Mutant("every group writes the first rows", "kernel", "backends.cpu.emit_gemm:_epilogue",
           "= {begin} + {first};", "= {first};", (p.Sampled("grouped"),)),
    Mutant("groups end where all rows do", "triton", "backends.triton.access:_side",
           "ctx.row_ends.get(start) or ", "", (p.Sampled("grouped"),)),
    Mutant("groups begin with the tiles", "triton", "backends.triton.emit:_group",
           'sum_of([begin, ctx.index(row)])', "ctx.index(row)", (p.Sampled("grouped"),)),
]  # fmt: skip
PLANS = [
    Mutant("chunk reused while it is read", "plan", "planner.memory:lifetimes", "for ref in step.reads:", "for ref in ():",
           (flow(Block(RMS, Gated()), Block(RMS, Gated(columns=16)), Linear(), Softmax(), Linear()),)),
    Mutant("arguments overwritten while others read them", "program", "planner.in_place:_reads_before_it_writes",
           "and _place(store) == _place(load)", "", (flow(Overwritten(kind="symmetric"), width=65),)),
    Mutant("arguments overwritten before their last readers", "program", "planner.in_place:_comes_last",
           "return not any(", "return True or not any(",
           (flow(Overwritten(kind="scaled"), Linear(), width=65),)),
    Mutant("barrier missing", "plan", "planner.describe:Hazards.conflicts", "return bool(", "return False and bool(",
           (flow(Linear(), Softmax(), Linear()),)),
]  # fmt: skip
WEIGHTS = [
    Mutant("nobody asks whether a weight was written", "weights", "runtime.tracking:Tracked.holds",
           "all(map(self._is_armed, self._armed(weights)))", "True", (w.write_without_a_version,)),
    Mutant("a weight armed again by one program hides the write from another", "weights", "runtime.tracking:Tracker._settle",
           "self.events += changed", "self.events += 0", (w.two_programs_of_one_weight,)),
    Mutant("the other weights of a written storage are not read", "weights", "runtime.tracking:Tracker._settle",
           "list(storage.ranges.values())", "rest", (w.two_weights_in_one_storage,)),
    Mutant("memory is not looked at", "weights", "runtime.tracking:Tracked.holds", "self._watch.same()", "True",
           (w.write_through_old_foreign_memory,)),
    Mutant("the same share of memory is looked at in every call", "weights", "runtime.content:Watch.same",
           "bool(self._same", "not self._cursor.fill(0) and bool(self._same", (w.few_elements_of_foreign_memory,)),
    Mutant("versions of weights that cannot be armed are not asked for", "weights", "runtime.tracking:Tracked._closed",
           "_versions(weights) != self._versions", "False", (w.weights_that_cannot_be_armed,)),
    Mutant("programs write without PyTorch's knowledge", "weights", "runtime.program:Program._addresses_of",
           "arrays.writable_address", "arrays.address", (w.elements_that_a_program_writes,)),
    Mutant("programs share what was computed of older weights", "weights", "runtime.tracking:Tracker.identity",
           "return known, known.epoch", "return known, 0", (w.two_programs_of_one_weight,)),
]  # fmt: skip

MUTANTS = (*FOLDS, *RECOGNITION, *FUSION, *PLACES, *TILES, *SPLITS, *SEMANTICS, *KERNELS, *PAIRS, *TRITON, *EXPERTS, *PLANS,
           *WEIGHTS)  # fmt: skip
