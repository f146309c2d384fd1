"""Attention written out becomes `flow.attention`, and no attention reads repeated keys and values.

Matched from the second product inwards: `softmax(mask + cap * tanh(scale * q kT / cap)) v` with the parts that are
there, masks added or chosen by `where`, casts to f32 around the softmax, sinks (a column of logits concatenated before
the softmax and cut off after it). Keys and values repeated for grouped queries (a reshaped broadcast of their heads)
are read unrepeated, here and by attention ops that the capture kept whole.
"""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from ...ir.flow import AttentionOp, MatmulOp
from ...ir.ledger import Ledger
from ..matching import functions, where
from .grouped_queries import unrepeat
from .legality import why_not
from .scores import Scores, find
from .surgery import rewrite

RULE = "recognise-attention"
BOUND = "scores and weights stay in f32: no further from float64"


def run(module: ModuleOp, ledger: Ledger) -> None:
    for function in functions(module):
        for op in list(function.body.block.ops):
            if isinstance(op, MatmulOp):
                _recognise(op, ledger)
        for op in list(function.body.block.ops):
            if isinstance(op, AttentionOp):
                unrepeat(op, ledger)


def _recognise(root: MatmulOp, ledger: Ledger) -> None:
    scores = find(root)
    if scores is None:
        return
    refusal = why_not(root, scores)
    if refusal is not None:
        ledger.refuse(RULE, where(root), refusal)
        return
    ledger.take(RULE, where(root), _describe(scores), bound=BOUND)
    rewrite(root, scores)


def _describe(scores: Scores) -> str:
    parts = {
        f"scale {scores.scale:g}": scores.scale != 1, f"soft cap {scores.softcap}": scores.softcap is not None,
        "mask": bool(scores.modifiers), "sinks": scores.sinks is not None,
    }  # fmt: skip
    return ", ".join(name for name, present in parts.items() if present)
