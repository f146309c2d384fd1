"""PyTorch refuses to tell its fp32 precision where a backend has a setting of its own: compiling must not fail on it."""

from types import SimpleNamespace

import pytest
import torch

from warpweave import selection


@pytest.mark.parametrize(("own", "ours"), [("bf16", "medium"), ("tf32", "high"), ("ieee", "highest")])
@pytest.mark.parametrize(("device", "library"), [("cpu", "mkldnn"), ("cuda", "cuda")])
def test_settings_of_a_backend(monkeypatch, own, ours, device, library):
    def refuse():
        raise RuntimeError("mix of the legacy and new APIs")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", refuse)
    monkeypatch.setattr(getattr(torch.backends, library), "matmul", SimpleNamespace(fp32_precision=own))
    assert selection._precision(device) == ours


@pytest.mark.parametrize("named", ["highest", "high", "medium"])
def test_the_setting_of_all_backends(monkeypatch, named):
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: named)
    assert selection._precision("cpu") == named
