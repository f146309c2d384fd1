"""What we add to xDSL's tools (entry point `xdsl.universe`): the dialects, the passes and the level verifiers.

The pass that `warpweave opt` calls `fuse-gemm` is `weave-fuse-gemm` in stock `xdsl-opt`, a level's verifier
`weave-verify-fused`.
"""

from __future__ import annotations

from functools import partial

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Dialect
from xdsl.passes import ModulePass
from xdsl.universe import Universe

from .ir.aref import Aref
from .ir.flow import Flow
from .ir.fused import Fused
from .ir.ledger import Ledger
from .ir.tile import Tile
from .workbench.pipelines import PASSES

DIALECTS = (Flow, Fused, Tile, Aref)


def _module_pass(name: str) -> type[ModulePass]:
    """A pass of the pipeline as xDSL's tools take it; its decisions go to the log."""

    def apply(self: ModulePass, ctx: Context, op: ModuleOp) -> None:
        PASSES[name](op, Ledger())

    return type(name, (ModulePass,), {"name": f"weave-{name}", "apply": apply})


def _same(dialect: Dialect) -> Dialect:
    return dialect


UNIVERSE = Universe(
    all_dialects={dialect.name: partial(_same, dialect) for dialect in DIALECTS},
    all_passes={f"weave-{name}": partial(_module_pass, name) for name in PASSES},
)
