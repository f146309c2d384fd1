"""Chains of hundreds of ops compile, and values that are read twice are looked at once: not one more visit a path."""

import pytest
import torch

import warpweave
from warpweave.passes import fuse_map
from warpweave.passes.form_tiles.region import Region


def compiled(function, *args):
    torch._dynamo.reset()
    before = len(warpweave.reports())
    with torch.no_grad():
        got = torch.compile(function, backend="warpweave", fullgraph=True)(*args)
        torch.testing.assert_close(got, function(*args), rtol=1e-5, atol=1e-5)
    (report,) = warpweave.reports()[before:]
    assert (report["error"], report["fallbacks"]) == (None, [])
    return report


def test_a_chain_of_hundreds():
    def chain(x):
        for i in range(200):
            x = x * 0.99 + 0.01 * i
        return x

    report = compiled(chain, torch.randn(4, 33))
    assert len(report["kernels"]) == -(-400 // fuse_map.MOST_OPS)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("product", [False, True], ids=["map", "epilogue"])
def test_values_read_twice_are_visited_once(monkeypatch, product):
    visits, real = [0], Region.operand_dims

    def counted(self, op, dims):
        visits[0] += 1
        return real(self, op, dims)

    monkeypatch.setattr(Region, "operand_dims", counted)
    linear = torch.nn.Linear(8, 16)

    def count(levels):
        def nested(x):
            x = linear(x) if product else x
            for _ in range(levels):
                x = x.sigmoid() * x + x * 0.5
            return x

        visits[0] = 0
        compiled(nested, torch.randn(4, 8))
        return visits[0]

    assert count(20) <= 3 * count(10)
