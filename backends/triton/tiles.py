"""Prints the ops on tiles, one statement each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ...ir import tile
from . import access, boxes
from .context import Context
from .dots import dotted
from .expressions import all_of, arithmetic, cast, common_type, held, is_positive, operand, pointwise, sum_of
from .lanes import Lanes, power_of_two
from .products import Products
from .rotations import rotated
from .source import UnsupportedKernelError
from .values import Value, Values, broadcast, extents

_REDUCTIONS = {
    "sum": "tl.sum({0}, {1}{2})", "mean": "tl.sum({0}, {1}{2})", "maxnum": "tl.max({0}, {1}{2})",
    "max": "tl.reduce({0}, {1}, ww_max{2})", "min": "tl.reduce({0}, {1}, ww_min{2})",
}  # fmt: skip
_LIMITS = {"i64": (str(-(2**63)), str(2**63 - 1))}


@dataclass
class Tiles:
    """Prints blocks into the context's scope. `targets`: the variables that values are to be kept in; `changing`: variables that
    loops assign anew."""

    ctx: Context
    products: Products
    targets: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    changing: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self.values = Values(self.ctx)

    def block(self, block: Block) -> None:
        """The ops of a block, without its terminator."""
        for op in block.ops:
            match op:
                case scf.YieldOp():
                    pass
                case scf.ForOp():
                    self._for(op)
                case tile.StoreOp():
                    self._store(op)
                case tile.LoadIndexOp():
                    self._load_index(op)
                case tile.GroupRowsOp():
                    self._group_rows(op)
                case _ if op.results and tile.constant_index(op.results[0]) is not None:
                    pass
                case tile.SizeOp():
                    self._index(op, self.ctx.dim(op.dim.data))
                case tile.PointwiseOp() if not self.products.is_needed(op):
                    pass
                case _ if op.name.startswith("arith."):
                    self._index(op, arithmetic(op, [self.ctx.index(v) for v in op.operands]))
                case _:
                    self.values.of[op.results[0]] = self._tile(op)

    def _index(self, op: Operation, text: str) -> None:
        value = op.results[0]
        self.ctx.indices[value] = self.ctx.scope.pure(value.name_hint or "index", text)

    def _load_index(self, op: tile.LoadIndexOp) -> None:
        ctx, at, size = self.ctx, self.ctx.index(op.position), op.size.data
        inside = at.isdigit() and size.is_const and int(at) < size.value
        guard = "" if inside else f", mask=({at} >= 0) & ({at} < {ctx.dim(size)}), other=0"
        ctx.indices[op.result] = ctx.scope.let("index", f"tl.load({sum_of([ctx.buffer(op.buffer), at])}{guard})")

    def _group_rows(self, op: tile.GroupRowsOp) -> None:
        buffers = [self.ctx.buffer(v) for v in (op.entries, op.slots, op.tokens, op.offsets)]
        indices = [self.ctx.index(v) for v in (op.group, op.count)]
        self.ctx.scope(f"ww_group_rows({', '.join([*buffers, *indices, str(op.top_k.data)])})")

    def _tile(self, op: Operation) -> Value:
        """The result of an op that gives a tile."""
        match op:
            case tile.FillOp():
                return self.values.number(op.value.value.data, held(tile.element_dtype(op.result)))
            case tile.SplatOp():
                text = self.ctx.index(op.input)
                if text.lstrip("-").isdigit():
                    return self.values.number(int(text), "i64")
                return self._let(op, f"tl.cast({text}, tl.int64)", "i64", (1, 1))
            case tile.IotaOp():
                return self._iota(op)
            case tile.LoadOp():
                return self._load(op)
            case tile.DotOp():
                text = dotted(self.values, self.products.of[op], op)
                return self._let(op, text, held(tile.element_dtype(op.result)), self.ctx.layouts.shape(op.result))
            case tile.PointwiseOp():
                return self._pointwise(op)
            case tile.ConvertOp():
                source = self.values.variable(self.values.of[op.input])
                return self._converted(op, source.text, source.dtype, source.shape)
            case tile.ReduceOp():
                return self._reduce(op)
            case tile.ExpandColumnsOp():
                return self._spread(op, op.input, op.group.data, "[:, :, None]")
            case tile.RepeatColumnsOp():
                return self._spread(op, op.input, tile.tile_shape(op.input)[1], "[:, None, :]")
            case tile.RopeOp():
                text, shape = rotated(self.values, op)
                return self._let(op, text, self.values.of[op.input].dtype, shape)
            case _:
                raise UnsupportedKernelError(f"`{op.name}`")

    def _let(
        self, op: Operation, text: str, dtype: str, shape: tuple[int, int], zeros: bool = False, exact: str = ""
    ) -> Value:
        """The op's result as a variable: the one that it is to be kept in where there is such."""
        result = op.results[0]
        name = self.targets.get(result)
        if name is None:
            name = self.ctx.scope.let(result.name_hint or _wish(op), text)
        else:
            self.ctx.scope(f"{name} = {text}")
        return Value(name, dtype, shape, None, zeros, exact)

    # ---- memory ------------------------------------------------------------------------------------------------

    def _load(self, op: tile.LoadOp) -> Value:
        if op in self.ctx.boxes:
            return self._exact(op, boxes.load(self.ctx, op), self.ctx.layouts.shape(op.result), True)
        at, memory, dtype = (
            access.place(self.ctx, op),
            tile.element_dtype(op.buffer),
            held(tile.element_dtype(op.result)),
        )
        zero = "0.0" if held(memory) in ("f32", "f64") else "0"
        guard = f", mask={at.mask}, other={zero}" if at.mask else ""
        text = f"tl.load({at.pointers}{guard})"
        zeros = all(self.ctx.layouts[op.result, axis].is_whole or at.shape[axis] > 1 for axis in (0, 1))
        if tile.exact_dtype(op.result):
            return self._exact(op, text, at.shape, zeros)
        return self._let(op, cast(text, memory, dtype), dtype, at.shape, zeros)

    def _exact(self, op: Operation, text: str, shape: tuple[int, int], zeros: bool) -> Value:
        """16-bit numbers (and i8): as they are where products read them so, and held wide where anybody reads those."""
        result = op.results[0]
        dtype = tile.exact_dtype(result)
        wide = held(dtype)
        if not self.products.is_read_exact(result):
            return self._let(op, cast(text, dtype, wide), wide, shape, zeros)
        exact = self.ctx.scope.let(result.name_hint or _wish(op), text)
        if not self.products.is_read_wide(result):
            return Value("", wide, shape, None, zeros, exact)
        return self._let(op, cast(exact, dtype, wide), wide, shape, zeros, exact)

    def _store(self, op: tile.StoreOp) -> None:
        at, value = access.place(self.ctx, op), self.values.variable(self.values.of[op.value])
        exact = value.exact and tile.exact_dtype(op.value) == tile.element_dtype(op.buffer)
        text = value.exact if exact else cast(value.text, value.dtype, tile.element_dtype(op.buffer))
        text = text if value.shape == at.shape else broadcast(text, at.shape)
        self.ctx.scope(f"tl.store({at.pointers}, {text}{f', mask={at.mask}' if at.mask else ''})")

    # ---- arithmetic --------------------------------------------------------------------------------------------

    def _iota(self, op: tile.IotaOp) -> Value:
        axis = 0 if tile.tile_shape(op.result)[0] > 1 else 1
        lanes = self.ctx.layouts[op.result, axis]
        at = self.ctx.positions(self.ctx.index(op.start), lanes, "rows" if axis == 0 else "columns")
        if lanes.padded == 1:
            return self._let(op, f"tl.cast({at}, tl.int64)", "i64", (1, 1))
        spread, shape = ("[:, None]", (lanes.padded, 1)) if axis == 0 else ("[None, :]", (1, lanes.padded))
        return self._let(op, f"{at}{spread}.to(tl.int64)", "i64", shape)

    def _pointwise(self, op: tile.PointwiseOp) -> Value:
        kind, values = op.kind.data, [self.values.of[v] for v in op.inputs]
        if (widened := self._widened(op)) is not None:
            return widened
        condition, numbers = (values[:1], values[1:]) if kind == "where" else ([], values)
        common = common_type(kind, [v.dtype for v in numbers])
        if common == "f64" or all(v.number is not None for v in numbers):
            numbers = [self.values.variable(v) for v in numbers]
        texts = [cast(v.text, v.dtype, "i1") for v in map(self.values.variable, condition)]
        texts += [self.values.operand(v, common) for v in numbers]
        shape = (max(v.shape[0] for v in values), max(v.shape[1] for v in values))
        text, dtype = pointwise(kind, texts, common, all(map(is_positive, op.inputs)))
        return self._converted(op, text, dtype, shape)

    def _widened(self, op: tile.PointwiseOp) -> Value | None:
        """The operand of an op that only makes more rows or columns of it, by adding zeros; None for others."""
        if op.kind.data not in ("add", "or") or not isinstance(op.inputs[1].owner, tile.FillOp):
            return None
        own, zero = (self.values.of[v] for v in op.inputs)
        same = (
            zero.number == 0
            and (zero.dtype not in ("f32", "f64") or math.copysign(1, zero.number) < 0)  # x + 0.0 is not x
            and own.dtype == zero.dtype == held(tile.element_dtype(op.result))
            and not tile.exact_dtype(op.result)
        )
        return own if same and own.text not in self.changing else None

    def _converted(self, op: Operation, text: str, dtype: str, shape: tuple[int, int]) -> Value:
        """The text of a held type, rounded to the result's element type."""
        element = tile.element_dtype(op.results[0])
        own = held(element)
        text = cast(text, dtype, own)
        if tile.exact_dtype(op.results[0]):
            return self._exact(op, cast(text, own, element), shape, False)
        return self._let(op, cast(cast(text, own, element), element, own), own, shape)

    def _reduce(self, op: tile.ReduceOp) -> Value:
        ctx, values, kind, source = self.ctx, self.values, op.kind.data, op.input
        own, dtype = ctx.layouts[source, 1], values.of[source].dtype
        rows, group = ctx.layouts.shape(source)[0], op.group.data if op.group is not None else own.length
        if dtype == "i1":
            raise UnsupportedKernelError("tile.reduce of truth values")
        lanes = Lanes.of(own.length, group) if group < own.length else own
        text = values.relaid(values.block(source), rows, own, lanes)
        inside = [] if lanes.is_whole else [ctx.inside(lanes)]
        if op.columns is not None:
            inside.append(f"{ctx.position(lanes)} < {operand(ctx.index(op.columns))}")
        if inside:
            low, high = _LIMITS.get(dtype, ('float("-inf")', 'float("inf")'))
            identity = {"max": low, "maxnum": low, "min": high}.get(kind, "0" if dtype == "i64" else "0.0")
            text = f"tl.where({ctx.scope.pure('inside', all_of(inside))}[None, :], {text}, {identity})"
        if group < own.length:
            count = power_of_two(own.length // group)
            text = f"tl.reshape({text}, {extents((rows, count, lanes.padded // count))})"
            text = _REDUCTIONS[kind].format(text, 2, "")
            groups, wanted = Lanes.of(own.length // group), ctx.layouts[op.result, 1]
            text, shape = values.relaid(text, rows, groups, wanted), (rows, wanted.padded)
        elif rows == 1:
            text, shape = _REDUCTIONS[kind].format(f"tl.reshape({text}, ({lanes.padded},))", 0, ""), (1, 1)
        else:
            text, shape = _REDUCTIONS[kind].format(text, 1, ", keep_dims=True"), (rows, 1)
        return self._let(op, f"{text} / {group}" if kind == "mean" else text, dtype, shape)

    def _spread(self, op: Operation, source: SSAValue, group: int, view: str) -> Value:
        """Columns repeated one by one, or as a whole."""
        values, layouts, value = self.values, self.ctx.layouts, self.values.of[source]
        if value.shape[1] == 1 and value.text not in self.changing:  # all columns are alike
            return value
        rows, own, wanted = layouts.shape(source)[0], layouts[source, 1], layouts[op.results[0], 1]
        lanes, flat = Lanes.of(wanted.length, group), Lanes.of(own.length)
        count = power_of_two(wanted.length // group)
        text = values.relaid(values.block(source), rows, own, flat)
        text = broadcast(f"{operand(text)}{view}", (rows, count, lanes.padded // count))
        text = values.relaid(f"tl.reshape({text}, {extents((rows, lanes.padded))})", rows, lanes, wanted)
        return self._let(op, text, value.dtype, (rows, wanted.padded))

    # ---- loops -------------------------------------------------------------------------------------------------

    def _for(self, op: scf.ForOp) -> None:
        """A loop whose carried tiles are variables that each turn assigns anew."""
        ctx, values, block = self.ctx, self.values, op.body.block
        outer, inner = ctx.scope, ctx.scope.inner()
        counter, *carried = block.args
        ends = block.last_op
        assert isinstance(ends, scf.YieldOp)
        for arg, start, value, result in zip(carried, op.iter_args, ends.operands, op.results, strict=True):
            wish = (
                result.name_hint
                or arg.name_hint
                or ("carried" if isinstance(value.owner, Block) else _wish(value.owner))
            )
            name = self._left_by_a_loop(start) or outer.let(wish, values.full(start))
            self.changing.add(name)
            values.of[arg] = values.of[result] = Value(name, values.of[start].dtype, ctx.layouts.shape(arg))
            inner.declare(name)
        number = ctx.names.fresh(counter.name_hint or "i")
        inner.declare(number)
        bounds = ", ".join(ctx.index(v) for v in (op.lb, op.ub, op.step))
        ctx.indices[counter], ctx.scope = number, inner
        self._keep_in_place(carried, ends)
        self.block(block)
        news = [(values.of[arg].text, values.full(value)) for arg, value in zip(carried, ends.operands, strict=True)]
        changed = [(name, text) for name, text in news if name != text]
        if changed:
            inner(f"{', '.join(name for name, _ in changed)} = {', '.join(text for _, text in changed)}")
        ctx.scope = outer
        outer.close(f"for {number} in range({bounds}):", inner)

    def _left_by_a_loop(self, start: SSAValue) -> str:
        """The variable of another loop's result that nobody else reads; empty for other values."""
        is_left = isinstance(start.owner, scf.ForOp) and len(list(start.uses)) == 1
        return self.values.of[start].text if is_left else ""

    def _keep_in_place(self, carried: Sequence[SSAValue], ends: scf.YieldOp) -> None:
        """Lets a product be added up in its accumulator's variable, where nobody reads the old sum after that."""
        block = ends.parent_block()
        assert block is not None
        order = {op: i for i, op in enumerate(block.ops)}
        for arg, value in zip(carried, ends.operands, strict=True):
            maker = value.owner
            if isinstance(maker, tile.DotOp) and maker in order and value not in self.targets:
                readers = [_ancestor(use.operation, block) for use in arg.uses]
                if all(order[reader] <= order[maker] for reader in readers):
                    self.targets[value] = self.values.of[arg].text


def _ancestor(op: Operation, block: Block) -> Operation:
    """The op of the block that `op` is, or lies in."""
    while op.parent_block() is not block:
        parent = op.parent_op()
        assert parent is not None
        op = parent
    return op


def _wish(op: Operation) -> str:
    """A variable's name after what it holds."""
    match op:
        case tile.PointwiseOp() | tile.ReduceOp():
            return op.kind.data
        case tile.LoadOp():
            return "x"
        case tile.DotOp():
            return "acc"
        case scf.ForOp():
            return "total"
        case _:
            return op.name.removeprefix("tile.").split("_")[0]
