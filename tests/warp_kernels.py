"""Modules run with their kernels specialised, each launch compared with the tile reference."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from xdsl.dialects.builtin import ModuleOp

from warpweave.ir import reference_aref, reference_tile, tile
from warpweave.ir.aref.limits import limits_of
from warpweave.ir.aref.verify import verify_kernel
from warpweave.ir.ledger import Ledger, Refusal
from warpweave.ir.protocol import check
from warpweave.ir.testing import draw, run
from warpweave.ir.testing.recipes import RandomSource
from warpweave.ir.testing.recipes.fused import Attend, FusedRecipe, Gemm, RegionOp
from warpweave.ir.text import parse, to_text
from warpweave.passes import materialise
from warpweave.passes.pipeline import to_fused, to_tiles
from warpweave.passes.warps import lower_arefs, specialise
from warpweave.passes.warps.shapes import TARGETS

HOPPER, AMPERE = "sm_90a", "sm_80"
NO_PRODUCT = "it has no product: there is nothing to load ahead for"
GROUPS = "its rows come in groups of unknown sizes"

SPECIALISED = {
    "attention_causal": 1,
    "attention_decode": 1,
    "gemm": 1,
    "gemm_qkv_rope_append": 1,
    "gemm_residual_norm": 2,
    "gemm_swiglu": 1,
    "map_embedding": 1,
    "matmul": 1,
}
"""Of a golden program: how many kernels have roles."""
REFUSED = {
    "attention_softcap_window": ["operands of f32"],
    "copy_concat": [NO_PRODUCT],
    "gemm_bias_gelu": ["operands of f32"],
    "gemm_experts": [NO_PRODUCT, GROUPS, GROUPS, NO_PRODUCT],
    "gemm_int8": ["operands of i8"],
    "map_embedding": [NO_PRODUCT],
    "map_softmax": [NO_PRODUCT],
}
"""Why its other kernels have none."""
ATTENTIONS = [
    Attend(heads=2, groups=1, size=64, keys=200, causal=True),
    Attend(heads=1, groups=4, size=64, keys=150, causal=True, offset=2),
    Attend(heads=1, groups=2, size=128, keys=65, causal=True),
    Attend(heads=1, groups=1, size=32, keys=3, causal=True),
    Attend(heads=2, groups=2, size=64, keys=130),
    Attend(heads=1, groups=1, size=64, keys=300, causal=True, window=70, heads_first=True),
    Attend(heads=1, groups=1, size=64, keys=64, causal=True, softcap=True),
]  # fmt: skip


@dataclass
class Compared:
    """Runs each kernel before and after specialisation; by name those `made` (from their text; `unread` before) and `refused`."""

    tolerance: float
    schedule: str = "random"
    seed: int = 0
    lower: bool = False
    target: str = HOPPER
    made: dict[str, tile.KernelOp] = field(default_factory=dict[str, tile.KernelOp])
    unread: dict[str, tile.KernelOp] = field(default_factory=dict[str, tile.KernelOp])
    refused: dict[str, Refusal] = field(default_factory=dict[str, Refusal])

    def launch(
        self, kernel: tile.KernelOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], compute: torch.dtype
    ) -> None:
        name = kernel.sym_name.data
        result = specialise(kernel, limits_of(self.target))
        given = [b.clone() for b in buffers]
        reference_tile.run_kernel(kernel, buffers, dims, torch.float64)
        if isinstance(result, Refusal):
            self.refused[name] = result
            return
        self.unread[name] = result.kernel
        self.made[name] = read_back(result.kernel)
        made = lowered(self.made[name], self.target) if self.lower else self.made[name]
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


def lowered(kernel: tile.KernelOp, target: str = HOPPER) -> tile.KernelOp:
    """The kernel with mbarriers, verified and its protocol checked, after its text."""
    made = kernel.clone()
    for loop in made.body.ops:
        if isinstance(loop, tile.ParallelOp):
            lower_arefs.run(loop)
            verdict = check(loop)
            assert verdict.finding is None, verdict.finding
    verify_kernel(made, limits_of(target))
    return read_back(made)


def formed(module: ModuleOp, *, fused: bool = False, target: str = HOPPER) -> ModuleOp:
    """The tile module of a flow or fused one, with tiles for warp roles."""
    ledger = Ledger()
    if fused:
        materialise.run(module, ledger)
    else:
        to_fused(module, ledger)
    to_tiles(module, ledger, shapes=TARGETS[target])
    return module


def compare(
    module: ModuleOp,
    tolerance: float = 0,
    schedule: str = "random",
    seed: int = 0,
    *,
    fused: bool = False,
    lower: bool = False,
    target: str = HOPPER,
) -> Compared:
    """Runs @main of a flow (or fused) module on tiles for warp roles, with every kernel compared, `lower`ed or not."""
    inputs = draw(module, seed)
    compared = Compared(tolerance, schedule, seed, lower, target)
    run(formed(module, fused=fused, target=target), inputs, torch.float32, compared.launch)
    return compared


def drawn_gemm(seed: int) -> FusedRecipe:
    """A GEMM of bf16 or f16 with a drawn epilogue, at sizes that tensor maps can address."""
    pick, source = random.Random(seed), RandomSource(f"warps:{seed}")
    gemm = Gemm(
        0, pick.choice([8, 64, 72, 136, 320]), pick.choice([1, 1, 2]), pick.choice(["", "v", "r", "s", "vr", "sr"]),
        pick.random() < 0.3, source.several(RegionOp.draw, 0, 4), "bf16",
    )  # fmt: skip
    width = pick.choice([16, 48, 64, 80, 128, 192, 256, 320, 576])
    return FusedRecipe((gemm,), width, 1, pick.choice([33, 65, 127, 130, "S"]), pick.choice(["bf16", "bf16", "f16"]))
