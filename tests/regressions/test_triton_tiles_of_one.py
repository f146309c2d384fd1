"""Triton programs with an axis of one element, all found by `warpweave fuzz --backend triton`."""

import torch

from interpreted import assert_right, needs_triton
from tile_samples import fill, index, kernel, load, matrix, parallel, pw, store
from warpweave.ir import tile
from warpweave.ir.dims import Dim
from warpweave.ir.tile import Access, Gather, axes

pytestmark = needs_triton


def randn(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def test_a_product_that_is_one_number():
    """`tl.dot` takes blocks only; scalars are what tiles of one element are elsewhere."""

    def body(a, b, y):
        def one(_b, r, c):
            left, right = (load(v, r, index(0), matrix(1, 40), (1, 40)) for v in (a, b))
            total = tile.DotOp(pw("exp", left), right, load(y, r, c, matrix(1, 1), (1, 1)), True).result
            store(pw("mul", total, total), y, r, c, matrix(1, 1))

        parallel(1, 1, (1, 1), one)

    made = kernel("number", "gemm", "", ["f32"] * 3, [2], body)
    assert_right(made, [randn(1, 40), randn(1, 40), randn(1, 1)], {})


def test_a_scaled_product_over_one_column():
    """The scale is applied to the product, whose operand is then the load: in the lanes that the product has."""

    def body(a, b, y):
        def one(_b, r, c):
            left = pw("mul", load(a, r, index(0), matrix("M", 1), (16, 1)), fill(0.3))
            right = load(b, c, index(0), matrix(32, 1), (32, 1))
            store(tile.DotOp(left, right, fill(0, 16, 32), True).result, y, r, c, matrix("M", 32))

        parallel("M", 32, (16, 32), one)

    made = kernel("scaled", "gemm", "M", ["bf16", "bf16", "f32"], [2], body)
    assert_right(
        made, [randn(21, 1, dtype=torch.bfloat16), randn(32, 1, dtype=torch.bfloat16), randn(21, 32)], {"M": 21}
    )


def test_an_append_of_one_row_a_sequence():
    """The axis that is looked up has one element: one index for all lanes."""

    def body(x, at, cache):
        def one(_b, r, c):
            rows = Access(axes(["B", 1], [5 * 8, 8]), axes([8], [1]), gather=Gather(1, Dim.of(5)))
            store(load(x, r, c, matrix("B", 8), (4, 8)), cache, r, c, rows, index=at)

        parallel("B", 8, (4, 8), one)

    made = kernel("append", "map", "B", ["f32", "i64", "f32"], [2], body)
    assert_right(made, [randn(3, 8), torch.tensor([2]), randn(3, 5, 8)], {"B": 3})
