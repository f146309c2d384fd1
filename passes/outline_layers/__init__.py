"""Identical layers become one function, called once a layer, so that a deep model compiles one layer.

Ops are grouped by the layer that their module paths lie in. What all layers share (masks, cos and sin) stays outside,
and so do positions and counters, which need no layer: one kernel computes those of all layers. Constants and views of
shared values are copied into each layer, and so is what one layer computed before it was merged with an equal op
outside. Ops without a layer that stand between ops of one layer join it. Two layers are the same where their ops,
properties, types and wiring agree: what differs (weights, caches, the hidden state) is an argument, which keeps the
attributes that all callers agree on; what any layer's values are used for outside is a result. A cache written in
place is an argument and a result of the call.
"""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block

from ...ir.ledger import Ledger, Refusal
from ..matching import functions
from .grouping import grouped
from .identity import classes
from .layer import RULE, Layer, Node
from .ordering import ordered
from .surgery import calls_of, function_of, rebuild

TANGLED = Refusal("a value leaves the layer and comes back into it", "a module around all of the layer")


def run(module: ModuleOp, ledger: Ledger) -> None:
    for function in functions(module):
        if function.sym_name.data == "main":
            _outline(module, function.body.block, ledger)


def _outline(module: ModuleOp, block: Block, ledger: Ledger) -> None:
    groups = grouped(block)
    order: list[Node] | None = None
    while groups and order is None:
        order, tangled = ordered(block, groups)
        for key in tangled:
            ledger.refuse(RULE, f"{key[0]}.{key[1]}", TANGLED)
            groups = {op: k for op, k in groups.items() if k != key}
    if order is None:
        return
    layers = [node for node in order if isinstance(node, Layer)]
    for layer in layers:
        layer.arrange()
        layer.wire()
    calls: dict[Layer, func.CallOp] = {}
    for members in classes(layers, ledger):
        callee = function_of(f"layer_{sum(1 for _ in functions(module)) - 1}", members)
        module.body.block.add_op(callee)
        summary = f"@{callee.sym_name.data}: {len(members)} layers of {len(members[0].ops)} ops"
        ledger.take(RULE, members[0].key[0], summary)
        calls.update(calls_of(callee, members))
    rebuild(block, order, calls)
