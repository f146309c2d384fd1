"""What counts as right: eager's integers, layout and NaNs, floats near float64; and what does not."""

import pytest
import torch

from warpweave.fuzz.compare import difference, differences

NAN, INF = float("nan"), float("inf")
T = torch.tensor


@pytest.mark.parametrize(
    ("ours", "eager", "kind"),
    [
        (T([1, 2]), T([1, 3]), "values"),
        (T([True]), T([False]), "values"),
        (T([1.0, 2.0]), T([1.0, 2.001]), "distance"),
        (T([1.0, NAN]), T([1.0, 2.0]), "NaN pattern"),
        (T([1.0, INF]), T([1.0, -INF]), "infinity"),
        (T([1.0, 1e30]), T([1.001, 1e30]), "distance"),
        (T([1.0]), T([1.0], dtype=torch.float64), "dtype"),
        (T([[1.0]]), T([1.0]), "shape"),
        (torch.zeros(3, 2), torch.zeros(2, 3).t(), "strides"),
        (1.0, T(1.0), "type"),
        (2, 3, "python value"),
    ],
)
def test_what_is_wrong_says_its_kind(ours, eager, kind):
    assert difference(ours, eager).partition(":")[0] == kind


@pytest.mark.parametrize(
    ("ours", "eager"),
    [
        (T([1.0, NAN]), T([1.0, NAN])),
        (T([1.0 + 1e-7]), T([1.0])),
        (torch.zeros(3, 1).t(), torch.zeros(1, 3)),
        (torch.zeros(0, 4), torch.zeros(4, 0).t()),
        (NAN, NAN),
    ],
)
def test_what_is_right(ours, eager):
    assert difference(ours, eager) is None


def test_eager_is_granted_its_own_distance():
    exact = T([1.0], dtype=torch.float64)
    assert difference(T([1.002]), T([0.999]), exact) is None
    assert difference(T([1.003]), T([0.999]), exact).startswith("distance")


def test_bits_see_zeros_and_roundings():
    assert difference(T([-0.0]), T([0.0])) is None
    assert difference(T([-0.0]), T([0.0]), bits=True).startswith("sign of zero")
    assert difference(T([1.0 + 2e-7]), T([1.0]), bits=True).startswith("bits")


def test_trees_of_other_structure():
    assert differences([T(1)], (T(1),), None)[0].startswith("structure")
    assert differences([T(1), T(2)], [T(1), T(3)], None) == ["values: 2 for 3 at [], 1 of 1 of torch.int64 (result 1)"]
