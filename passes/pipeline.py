"""The passes from flow to tile, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

from ..ir.ledger import Ledger
from . import (
    append_in_place,
    canonicalise,
    decompose_norms,
    defer_norms,
    fold_indices,
    form_tiles,
    fuse_attention,
    fuse_gemm,
    fuse_map,
    hoist_constants,
    hoist_stats,
    hoist_views,
    materialise,
    narrow_rows,
    outline_layers,
    recognise_activations,
    recognise_attention,
    recognise_masks,
    recognise_rms_norm,
    recognise_rope,
    split_linears,
    unflatten_linears,
)

Pass = Callable[[ModuleOp, Ledger], None]

# flow → flow: what the model computes, as few and as telling operators as possible
RECOGNISE: dict[str, Pass] = {
    "unflatten-linears": unflatten_linears.run,
    "canonicalise": canonicalise.run,
    "fold-indices": fold_indices.run,
    "canonicalise-folded": canonicalise.run,
    "recognise-rms-norm": recognise_rms_norm.run,
    "recognise-rope": recognise_rope.run,
    "recognise-attention": recognise_attention.run,
    "recognise-masks": recognise_masks.run,
    "recognise-activations": recognise_activations.run,
    "canonicalise-recognised": canonicalise.run,
    "outline-layers": outline_layers.run,
    "narrow-rows": narrow_rows.run,
}

# flow → fused: what one kernel is
FUSE: dict[str, Pass] = {
    "split-linears": split_linears.run,
    "defer-norms": defer_norms.run,
    "decompose-norms": decompose_norms.run,
    "hoist-stats": hoist_stats.run,
    "hoist-views": hoist_views.run,
    "append-in-place": append_in_place.run,
    "hoist-constants": hoist_constants.run,
    "fuse-gemm": fuse_gemm.run,
    "fuse-attention": fuse_attention.run,
    "fuse-map": fuse_map.run,
    "materialise": materialise.run,
}

# fused → tile: how each kernel walks its data
FORM: dict[str, Pass] = {"form-tiles": form_tiles.run}


def to_fused(module: ModuleOp, ledger: Ledger, *, verify_each: bool = False, without: Collection[str] = ()) -> None:
    """A flow module as the importer gives it becomes a fused module, in place.

    `verify_each` verifies the module after every pass and raises VerifyException that names the pass. `without`: passes
    that are left out.
    """
    passes = {name: apply for name, apply in {**RECOGNISE, **FUSE}.items() if name not in without}
    _run(passes, module, ledger, verify_each)


def to_tiles(module: ModuleOp, ledger: Ledger, *, verify_each: bool = False) -> None:
    """A fused module becomes a tile module, in place."""
    _run(FORM, module, ledger, verify_each)


def _run(passes: dict[str, Pass], module: ModuleOp, ledger: Ledger, verify_each: bool) -> None:
    for name, apply in passes.items():
        apply(module, ledger)
        if not verify_each:
            continue
        try:
            module.verify()
        except VerifyException as error:
            raise VerifyException(f"after {name}: {error}") from error
