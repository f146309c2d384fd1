"""What we add to xDSL's tools (entry point `xdsl.universe`): the dialects, the passes and the level verifiers.

`warpweave opt` is xDSL's own driver with these; stock `xdsl-opt` has them as well. The pass that the pipeline calls
`fuse-gemm` is `weave-fuse-gemm` there, and a level's verifier `weave-verify-fused`.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import get_args

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Dialect
from xdsl.passes import ModulePass
from xdsl.universe import Universe
from xdsl.utils.exceptions import DiagnosticException, ParseError, PassFailedException, VerifyException
from xdsl.xdsl_opt_main import xDSLOptMain

from .ir.flow import Flow
from .ir.fused import Fused
from .ir.ledger import Ledger
from .ir.tile import Tile
from .ir.verify import Level, verify_level
from .passes import pipeline


def _verify(level: Level, module: ModuleOp, ledger: Ledger) -> None:
    verify_level(module, level)


DIALECTS = (Flow, Fused, Tile)
PASSES: dict[str, pipeline.Pass] = {
    **pipeline.RECOGNISE,
    **pipeline.FUSE,
    **pipeline.FORM,
    **{f"verify-{level}": partial(_verify, level) for level in get_args(Level)},
}


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


def opt(arguments: list[str]) -> int:
    """xDSL's driver on these arguments. Returns 1 when the IR does not parse or verify; why is on stderr."""
    driver = xDSLOptMain(description="xdsl-opt with warpweave's dialects and passes", args=arguments)
    try:
        driver.run()
    except (DiagnosticException, ParseError, PassFailedException, VerifyException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
