"""Random states kept for a recomputation: `run_and_save_rng_state` and `run_with_rng_state` around one operator.

Checkpointing puts them around every operator that may draw random numbers: around attention even where its dropout is 0.
There the operator is called by itself, in the forward and in the backward graph alike, and the state, which nobody needs
then, is a zero. Around an operator that does draw they stay, and run in PyTorch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

_FULL = torch.ops.aten.full.default


def drop_needless(gm: GraphModule) -> None:
    """Takes the states of operators that draw nothing out of a graph, in place."""
    operators = torch.ops.higher_order
    changed = False
    for node in gm.graph.find_nodes(op="call_function", target=operators.run_and_save_rng_state):
        operator, *args = node.args
        if not draws(operator, args, node.kwargs):
            with gm.graph.inserting_before(node):
                called = _called(gm, node, operator, args)
                nothing = gm.graph.call_function(_FULL, ([1], 0), {"dtype": torch.uint8, "device": _device(called)})
                nothing.meta = {**node.meta, "val": _value(_FULL, nothing.args, nothing.kwargs, called)}
            _replace_items(gm, node, (nothing, called))
            changed = True
    for node in gm.graph.find_nodes(op="call_function", target=operators.run_with_rng_state):
        _, operator, *args = node.args
        if not draws(operator, args, node.kwargs):
            with gm.graph.inserting_before(node):
                called = _called(gm, node, operator, args)
            node.replace_all_uses_with(called)
            gm.graph.erase_node(node)
            changed = True
    if changed:
        gm.recompile()


def draws(operator: Any, args: Any, kwargs: Any) -> bool:
    """Whether a call draws random numbers: not one whose probability of dropping is 0."""
    if not isinstance(operator, torch._ops.OpOverload):
        return True
    if torch.Tag.nondeterministic_seeded not in operator.tags:
        return False
    given = {a.name: value for a, value in zip(operator._schema.arguments, args, strict=False)} | dict(kwargs)
    probabilities = [a for a in operator._schema.arguments if a.name in ("dropout_p", "dropout")]
    return not probabilities or any(given.get(a.name, a.default_value) != 0 for a in probabilities)


def _called(gm: GraphModule, node: Node, operator: Any, args: Any) -> Node:
    called = gm.graph.call_function(operator, tuple(args), dict(node.kwargs))
    called.meta = {**node.meta, "val": _value(operator, called.args, called.kwargs, called)}
    return called


def _value(operator: Any, args: Any, kwargs: Any, near: Node) -> Any:
    """What the operator gives for the values of its arguments, as the tracer would have noted it."""
    with _mode(near):
        return operator(*map_arg(args, lambda n: n.meta["val"]), **map_arg(kwargs, lambda n: n.meta["val"]))


def _mode(node: Node) -> Any:
    return next(v.fake_mode for n in node.all_input_nodes if isinstance(v := n.meta.get("val"), FakeTensor))


def _device(node: Node) -> torch.device:
    return next(v.device for n in node.all_input_nodes if isinstance(v := n.meta.get("val"), torch.Tensor))


def _replace_items(gm: GraphModule, node: Node, items: tuple[Node, ...]) -> None:
    for user in list(node.users):
        user.replace_all_uses_with(items[user.args[1]])  # pyright: ignore
        gm.graph.erase_node(user)
    gm.graph.erase_node(node)
