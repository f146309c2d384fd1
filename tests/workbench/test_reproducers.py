"""Reproducers: read back exactly, and left by the compiler where it fails by its own fault."""

from __future__ import annotations

import pytest
import torch

import warpweave
from flow_models import MODELS
from warpweave.commands.repro import outcome_of
from warpweave.ir.text import to_text
from warpweave.passes import fuse_gemm, pipeline
from warpweave.workbench.reproducers import NoReproducerError, Reproducer


def broken(*_: object) -> None:
    raise ValueError('a bug with "quotes"\nand a second line')


def test_round_trip() -> None:
    module, _ = MODELS["llama"]()
    written = Reproducer(to_text(module), "fuse-gemm,fuse-map", 'E: "x" \\ y', {"seed": 3, "symbols": {"B": 2}})
    assert Reproducer.of(written.text()) == written


@pytest.mark.parametrize("text", ["builtin.module {}", "// pipeline: nonsense\nbuiltin.module {}", ""])
def test_other_files_are_none(text: str) -> None:
    with pytest.raises(NoReproducerError, match="no reproducer"):
        Reproducer.of(text)


def test_torch_compile_leaves_one_that_fails_in_the_same_way(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("WARPWEAVE_CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(pipeline.FUSE, "fuse-gemm", broken)
    model, x = torch.nn.Linear(8, 4), torch.ones(3, 8)
    torch._dynamo.reset()
    with torch.no_grad(), pytest.warns(RuntimeWarning, match=r"reproducers/.*\.mlir"):
        torch.testing.assert_close(torch.compile(model, backend="warpweave")(x), model(x))
    (path,) = (tmp_path / "reproducers").iterdir()
    reproducer = Reproducer.of(path.read_text())
    assert reproducer.pipeline == "compile"
    assert reproducer.error == 'ValueError: a bug with "quotes"'
    assert outcome_of(reproducer, str(path)) == reproducer.error
    monkeypatch.setitem(pipeline.FUSE, "fuse-gemm", fuse_gemm.run)
    assert outcome_of(reproducer, str(path)) == ""


def test_compile_ahead_says_where_its_reproducer_is(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("WARPWEAVE_CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(pipeline.FUSE, "fuse-gemm", broken)
    with pytest.raises(ValueError, match="a bug") as error:
        warpweave.compile(torch.nn.Linear(8, 4), (torch.ones(3, 8),))
    from warpweave.reproducer import reproducer_of

    assert reproducer_of(error.value) in (tmp_path / "reproducers").iterdir()


def test_unsupported_operators_leave_none(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WARPWEAVE_CACHE_DIR", str(tmp_path))

    class Sorted(torch.nn.Module):
        def forward(self, x):
            return x.topk(2)[0]

    with pytest.raises(Exception, match="topk"):
        warpweave.compile(Sorted(), (torch.ones(3, 8),), options={"strict": True})
    assert not (tmp_path / "reproducers").exists()
