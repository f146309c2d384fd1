"""Modules run with their kernels specialised, each launch compared with the tile reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from xdsl.dialects.builtin import ModuleOp

from warpweave.ir import reference_aref, reference_tile, tile
from warpweave.ir.aref.verify import verify_kernel
from warpweave.ir.ledger import Ledger, Refusal
from warpweave.ir.protocol import check
from warpweave.ir.testing import draw, run
from warpweave.ir.text import parse, to_text
from warpweave.passes import materialise
from warpweave.passes.pipeline import to_fused, to_tiles
from warpweave.passes.warps import lower_arefs, specialise
from warpweave.passes.warps.shapes import HOPPER


@dataclass
class Compared:
    """Runs each kernel before and after specialisation; by name those `made` (from their text; `unread` before) and `refused`."""

    tolerance: float
    schedule: str = "random"
    seed: int = 0
    lower: bool = False
    made: dict[str, tile.KernelOp] = field(default_factory=dict[str, tile.KernelOp])
    unread: dict[str, tile.KernelOp] = field(default_factory=dict[str, tile.KernelOp])
    refused: dict[str, Refusal] = field(default_factory=dict[str, Refusal])

    def launch(
        self, kernel: tile.KernelOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], compute: torch.dtype
    ) -> None:
        name = kernel.sym_name.data
        result = specialise(kernel)
        given = [b.clone() for b in buffers]
        reference_tile.run_kernel(kernel, buffers, dims, torch.float64)
        if isinstance(result, Refusal):
            self.refused[name] = result
            return
        self.unread[name] = result.kernel
        self.made[name] = read_back(result.kernel)
        made = lowered(self.made[name]) if self.lower else self.made[name]
        found = reference_aref.run_kernel(made, given, dims, torch.float64, schedule=self.schedule, seed=self.seed)
        assert not found, found[0]
        for i in (output.data for output in kernel.outputs):
            torch.testing.assert_close(
                given[i].double(), buffers[i].double(), rtol=self.tolerance, atol=self.tolerance, equal_nan=True
            )


def read_back(kernel: tile.KernelOp) -> tile.KernelOp:
    """The kernel after its text."""
    text = to_text(ModuleOp([kernel.clone()]))
    read = parse(text)
    assert to_text(read) == text
    (op,) = read.body.block.ops
    assert isinstance(op, tile.KernelOp)
    op.detach()
    return op


def lowered(kernel: tile.KernelOp) -> tile.KernelOp:
    """The kernel with mbarriers, verified and its protocol checked, after its text."""
    made = kernel.clone()
    for loop in made.body.ops:
        if isinstance(loop, tile.ParallelOp):
            lower_arefs.run(loop)
            verdict = check(loop)
            assert verdict.finding is None, verdict.finding
    verify_kernel(made)
    return read_back(made)


def formed(module: ModuleOp, *, fused: bool = False) -> ModuleOp:
    """The tile module of a flow or fused one, with tiles for warp roles."""
    ledger = Ledger()
    if fused:
        materialise.run(module, ledger)
    else:
        to_fused(module, ledger)
    to_tiles(module, ledger, shapes=HOPPER)
    return module


def compare(
    module: ModuleOp,
    tolerance: float = 0,
    schedule: str = "random",
    seed: int = 0,
    *,
    fused: bool = False,
    lower: bool = False,
) -> Compared:
    """Runs @main of a flow (or fused) module on tiles for warp roles, with every kernel compared, `lower`ed or not."""
    inputs = draw(module, seed)
    compared = Compared(tolerance, schedule, seed, lower)
    run(formed(module, fused=fused), inputs, torch.float32, compared.launch)
    return compared
