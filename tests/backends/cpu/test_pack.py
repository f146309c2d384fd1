"""Packed weights: every element at the address that include/README.md gives, zeros beyond."""

from typing import get_args

import pytest
import torch

from warpweave.backends.cpu.pack import PackedLayout, pack, packed_type

LAYOUTS = get_args(PackedLayout)
INT8 = ("quads", "vnni8")


def weights(layout, *shape):
    weight = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    return (weight * 40).to(torch.int8) if layout in INT8 else weight


@pytest.mark.parametrize(("n", "k"), [(1, 1), (32, 64), (33, 31), (70, 100)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_elements_lie_where_the_header_reads_them(n, k, dtype):
    weight = torch.randn(n, k, generator=torch.Generator().manual_seed(0)).to(dtype)
    row, column = torch.meshgrid(torch.arange(n), torch.arange(k), indexing="ij")
    panel = pack(weight, "panel")
    assert torch.equal(panel[row // 32, column, row % 32], weight)
    pairs = pack(weight, "pairs")
    assert torch.equal(pairs[row // 32, column // 2, row % 32, column % 2], weight)
    vnni = pack(weight, "vnni")
    assert torch.equal(vnni[row // 32, column // 32, row % 32 // 16, column % 32 // 2, row % 16, column % 2], weight)
    assert torch.equal(pack(weight, "rows"), weight)
    for packed in (panel, pairs, vnni):
        assert packed.count_nonzero() == weight.count_nonzero()


@pytest.mark.parametrize(("n", "k"), [(1, 1), (32, 64), (33, 31), (70, 130)])
def test_int8_elements_lie_where_the_header_reads_them(n, k):
    weight = weights("quads", n, k)
    row, column = torch.meshgrid(torch.arange(n), torch.arange(k), indexing="ij")
    quads, tiles = pack(weight, "quads"), pack(weight, "vnni8")
    assert torch.equal(quads[row // 32, 1 + column // 4, row % 32, column % 4], weight)
    assert torch.equal(tiles[row // 32, column // 64, row % 32 // 16, column % 64 // 4, row % 16, column % 4], weight)
    assert quads[:, 1:].count_nonzero() == tiles.count_nonzero() == weight.count_nonzero()
    correction = quads[:, 0].contiguous().view(torch.int32).flatten()
    assert correction[:n].tolist() == [-128 * sum(columns) for columns in weight.tolist()]
    assert correction[n:].count_nonzero() == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_types_are_known_beforehand(layout):
    weight = weights(layout, 45, 33).sign()
    dtype = str(weight.dtype).removeprefix("torch.")
    packed = pack(weight, layout)
    assert (packed.shape, str(packed.dtype)) == (
        packed_type((45, 33), dtype, layout)[0],
        f"torch.{packed_type((45, 33), dtype, layout)[1]}",
    )
    assert packed.is_contiguous()
    assert (packed[:, 1:] if layout == "quads" else packed).sum() == weight.sum()


def test_two_parts_of_an_fp32_weight():
    weight = torch.randn(45, 33, generator=torch.Generator().manual_seed(0))
    high, low = pack(weight, "bf16x3").unbind(1)
    assert torch.equal(high, pack(weight, "bf16x1"))
    assert torch.equal(pack(weight, "bf16x1-pairs"), pack(weight.bfloat16(), "pairs"))
    both = high.double() + low.double()
    exact = pack(weight.double(), "vnni")
    assert ((both - exact).abs() <= exact.abs() * 2.0**-17).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_experts_are_packed_one_by_one(layout):
    weight = weights(layout, 3, 45, 33)
    packed = pack(weight, layout)
    assert packed.shape == packed_type((3, 45, 33), str(weight.dtype).removeprefix("torch."), layout)[0]
    assert packed.is_contiguous()
    assert all(torch.equal(packed[e], pack(weight[e], layout)) for e in range(3))


def test_only_matrices_are_packed():
    with pytest.raises(ValueError, match=r"\[N, K\] or \[E, N, K\], not \(2, 3, 4, 5\)"):
        pack(torch.ones(2, 3, 4, 5), "panel")
