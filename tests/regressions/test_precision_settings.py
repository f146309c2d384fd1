"""PyTorch refuses to tell its fp32 precision where a backend has a setting of its own: compiling must not fail on it."""

from types import SimpleNamespace

import pytest
import torch

from warpweave import compiler


@pytest.mark.parametrize(("own", "ours"), [("bf16", "medium"), ("tf32", "high"), ("ieee", "highest")])
def test_settings_of_a_backend(monkeypatch, own, ours):
    def refuse():
        raise RuntimeError("mix of the legacy and new APIs")

    monkeypatch.setattr(torch, "get_float32_matmul_precision", refuse)
    monkeypatch.setattr(torch.backends.mkldnn, "matmul", SimpleNamespace(fp32_precision=own))
    assert compiler._precision() == ours


@pytest.mark.parametrize("named", ["highest", "high", "medium"])
def test_the_setting_of_all_backends(monkeypatch, named):
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: named)
    assert compiler._precision() == named
