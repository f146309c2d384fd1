"""Packed weights: every element at the address that include/README.md gives, zeros beyond."""

import pytest
import torch

from warpweave.backends.cpu.pack import pack, packed_shape


@pytest.mark.parametrize(("n", "k"), [(1, 1), (32, 64), (33, 31), (70, 100)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_elements_lie_where_the_header_reads_them(n, k, dtype):
    weight = torch.randn(n, k, generator=torch.Generator().manual_seed(0)).to(dtype)
    row, column = torch.meshgrid(torch.arange(n), torch.arange(k), indexing="ij")
    panel = pack(weight, "panel")
    assert torch.equal(panel[row // 32, column, row % 32], weight)
    vnni = pack(weight, "vnni")
    assert torch.equal(vnni[row // 32, column // 32, row % 32 // 16, column % 32 // 2, row % 16, column % 2], weight)
    assert torch.equal(pack(weight, "rows"), weight)
    for packed in (panel, vnni):
        assert packed.count_nonzero() == weight.count_nonzero()


@pytest.mark.parametrize("layout", ["rows", "panel", "vnni"])
def test_shapes_are_known_beforehand(layout):
    weight = torch.ones(45, 33)
    packed = pack(weight, layout)
    assert packed.shape == packed_shape(45, 33, layout)
    assert packed.is_contiguous()
    assert packed.sum() == 45 * 33


def test_only_matrices_are_packed():
    with pytest.raises(ValueError, match=r"\[N, K\], not \(2, 3, 4\)"):
        pack(torch.ones(2, 3, 4), "panel")
