"""The numerics rule itself, and the reproducer that an internal error leaves."""

import torch

from warpweave.commands.failures import BUG, report
from warpweave.commands.models import Model
from warpweave.commands.verify import compare, distance


def model() -> Model:
    torch.manual_seed(0)
    return Model("m", torch.nn.Linear(64, 64), (torch.randn(5, 64),), {})


def test_eager_itself_is_within_the_rule():
    m = model()
    (row,) = compare(m, m.module)
    assert row["verdict"] == "within"
    assert 0 < row["ours"] < 1e-6
    assert row["ours"] == row["eager"]


def test_a_small_error_is_found():
    m = model()
    (row,) = compare(m, lambda x: m.module(x) + 1e-4)
    assert row["verdict"] == "differs"
    assert abs(row["ours"] - 1e-4) < 1e-6


def test_infinities_must_agree():
    finite, infinite = torch.tensor([1.0, 2.0]), torch.tensor([1.0, torch.inf])
    assert distance(infinite, infinite) == 0
    assert distance(finite, infinite) == torch.inf
    assert distance(torch.tensor([torch.nan]), torch.tensor([torch.nan])) == 0
    assert distance(torch.tensor([torch.nan]), torch.tensor([0.0])) == torch.inf


def test_integers_must_be_equal():
    m = Model("m", torch.nn.Identity(), (torch.arange(3),), {})
    assert compare(m, m.module)[0]["verdict"] == "equal"
    assert compare(m, lambda x: x + 1)[0]["verdict"] == "differs"


def test_an_internal_error_leaves_a_reproducer(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WARPWEAVE_CACHE_DIR", str(tmp_path))
    error = ZeroDivisionError("three apples, no people")
    assert report(error, ["warpweave", "explain", "x.py:y"]) == BUG
    (path,) = (tmp_path / "crashes").iterdir()
    text = path.read_text()
    assert "command: warpweave explain x.py:y" in text
    assert "three apples, no people" in text
    assert str(path) in capsys.readouterr().err
