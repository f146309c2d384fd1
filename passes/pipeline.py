"""The passes from flow to tile, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial

from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

from ..ir import tile
from ..ir.aref.limits import Target, limits_of
from ..ir.ledger import Ledger, Refusal
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
    recognise_experts,
    recognise_masks,
    recognise_rms_norm,
    recognise_rope,
    split_linears,
    unflatten_linears,
    warps,
)
from .warps import lower_arefs

Pass = Callable[[ModuleOp, Ledger], None]
After = Callable[[str, ModuleOp], None]
"""What looks at the module after each pass: its name, the module."""

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
    "recognise-experts": recognise_experts.run,
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

# tile → aref → its lowered form: which warps load, which compute, what they hand over how
SPECIALISE: dict[str, Pass] = {"partition-warps": warps.run, "lower-arefs": lower_arefs.lower}

ALL: dict[str, Pass] = {**RECOGNISE, **FUSE, **FORM}


def to_fused(module: ModuleOp, ledger: Ledger, *, after: After | None = None, without: Collection[str] = ()) -> None:
    """A flow module as the importer gives it becomes a fused module, in place. `without`: passes that are left out."""
    run([(name, apply) for name, apply in {**RECOGNISE, **FUSE}.items() if name not in without], module, ledger, after)


def to_tiles(
    module: ModuleOp,
    ledger: Ledger,
    *,
    shapes: form_tiles.Shapes = form_tiles.CPU,
    after: After | None = None,
    formed: form_tiles.OnFormed | None = None,
) -> None:
    """A fused module becomes a tile module, in place. `shapes`: the tiles that the target wants, for all ops or for each.
    `formed`: is told of each fused op before its launch takes its place."""
    run([("form-tiles", partial(form_tiles.run, shapes=shapes, formed=formed))], module, ledger, after)


def to_roles(module: ModuleOp, ledger: Ledger, *, target: Target = "sm_90a", after: After | None = None) -> None:
    """A tile module with the tiles of `passes.warps.shapes` for the target becomes an aref module, in place: kernels around
    products are split into warp roles and their protocol is checked; the others stay, each with its reason in the ledger.
    """
    run([("partition-warps", partial(warps.run, target=target))], module, ledger, after)


def to_barriers(module: ModuleOp, ledger: Ledger, *, after: After | None = None) -> None:
    """The kernels of an aref module take their lowered form, in place: rings become mbarriers and counters. The protocol is
    checked once more; raises ProtocolError, which is an error of the pass."""
    run([("lower-arefs", SPECIALISE["lower-arefs"])], module, ledger, after)


def with_roles(kernel: tile.KernelOp, target: Target) -> warps.Specialised | Refusal:
    """One tile kernel through both: the kernel of warp roles in its lowered form, proved in either form; or why it is none."""
    made = warps.specialise(kernel, limits_of(target))
    if isinstance(made, Refusal):
        return made
    to_barriers(ModuleOp([made.kernel]), Ledger())
    made.kernel.detach()
    return made


def run(passes: Iterable[tuple[str, Pass]], module: ModuleOp, ledger: Ledger, after: After | None = None) -> None:
    """Runs named passes in order; `after` is called with the name and the module after each."""
    for name, apply in passes:
        apply(module, ledger)
        if after is not None:
            after(name, module)


def verify_after(name: str, module: ModuleOp) -> None:
    """Raises VerifyException that names the pass where it left an ill-formed module."""
    try:
        module.verify()
    except VerifyException as error:
        raise VerifyException(f"after {name}: {error}") from error
