"""Tiles, warps and stages of whole programs: what the cost model ranks first, unless its code is refused."""

from __future__ import annotations

import msgspec
import pytest

from interpreted import needs_triton
from triton_samples import changed, lowered
from warpweave.backends.nvidia.target import H100, TARGETS
from warpweave.backends.triton import backend, choices, compile
from warpweave.backends.triton.choices import ATTEMPTS, Choices, choose
from warpweave.backends.triton.shapes import SMALL
from warpweave.ir import tile
from warpweave.ir.ledger import Ledger, Refusal
from warpweave.options import GPUS
from warpweave.passes import form_tiles
from warpweave.passes.pipeline import to_fused, to_tiles

pytestmark = needs_triton
PROGRAM = """
block mlp(x: bf16[S, D=256], up: weight bf16[F=512, D], down: weight bf16[D, F]) -> bf16[S, D] {
  return x + linear(silu(linear(x, up)), down)
}
"""


def _chosen(ledger: Ledger):
    module = lowered(PROGRAM)
    to_fused(module, Ledger())
    ops = form_tiles.fused_ops(module)
    return module, ops, choose(module, ops, form_tiles.form, H100, "highest", ledger)


def test_the_kernels_are_formed_as_chosen():
    ledger = Ledger()
    module, ops, found = _chosen(ledger)
    assert set(found.shapes) == set(ops)
    taken = [row for row in ledger.rows if row.outcome == "taken"]
    assert [row.rule for row in taken] == ["triton-tiles"] * 2
    to_tiles(module, Ledger(), shapes=found.shapes_of)
    kernels = {op.sym_name.data: op for op in module.ops if isinstance(op, tile.KernelOp)}
    assert set(kernels) == set(found.launches)
    for row, (name, kernel) in zip(taken, kernels.items(), strict=True):
        loop = next(op for op in kernel.walk() if isinstance(op, tile.ParallelOp))
        launch = found.launches[name]
        tiles = "x".join(map(str, loop.tile_shape))
        assert f": {tiles}x" in row.where
        assert row.where.endswith(f", {launch}")


def test_refused_code_is_passed_over(monkeypatch: pytest.MonkeyPatch):
    """Everything with eight warps spills."""
    build = choices.build

    def spilling(jobs, workers):
        return [
            tuple(
                msgspec.structs.replace(p, resources=msgspec.structs.replace(p.resources, stack=64))
                if job.source.num_warps == 8 else p
                for p in phases
            )
            for job, phases in zip(jobs, build(jobs, workers=workers), strict=True)
        ]  # fmt: skip

    monkeypatch.setattr(choices, "build", spilling)
    ledger = Ledger()
    _, _, found = _chosen(ledger)
    assert all(launch.num_warps == 4 for launch in found.launches.values())
    refused = [row for row in ledger.rows if row.outcome == "refused" and "bytes of stack" in row.reason]
    assert all("8 warps" in row.where for row in refused)


def test_none_is_sound(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def refused(jobs, workers):
        asked.append(len(jobs))
        return [(changed(),) for _ in jobs]

    monkeypatch.setattr(choices, "build", refused)
    monkeypatch.setattr(choices, "refused", lambda *_: [Refusal("no")])
    _, ops, found = _chosen(Ledger())
    assert asked == [2] * ATTEMPTS
    assert found == Choices()
    assert {found.shapes_of(op) for op in ops} == {SMALL}


def test_the_options_name_all_targets():
    assert set(GPUS) == set(TARGETS)


def test_what_was_chosen_is_not_compiled_again(monkeypatch: pytest.MonkeyPatch):
    """The kernels of the program are those that were chosen, but for the comment that names the model's modules."""
    asked = []

    def sound(jobs, **_):
        asked.append({str(compile.components(request)) for job in jobs for request in compile._requests(job)})
        return [(changed(),) for _ in jobs]

    module, made = lowered(PROGRAM), backend.CudaBackend(H100)
    for each in (choices, backend):
        monkeypatch.setattr(each, "build", sound)
    to_fused(module, Ledger())
    shapes = made.shapes(module, form_tiles.fused_ops(module), form_tiles.form, Ledger())
    to_tiles(module, Ledger(), shapes=shapes)
    made.emit(module, Ledger())
    first, second = asked
    assert first == second
    assert len(first) == 2
