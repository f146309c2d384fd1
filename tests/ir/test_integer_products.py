"""Products of integers: i8 by i8 into i32, over as many numbers as an i32 sum always holds."""

from __future__ import annotations

import pytest
import torch
from xdsl.builder import ImplicitBuilder
from xdsl.ir import Block
from xdsl.utils.exceptions import VerifyException

from tile_samples import fill
from warpweave.ir import flow, tile
from warpweave.ir.reference import TORCH_DTYPES
from warpweave.ir.types import DTYPES, TensorType


def product(left: str, right: str, result: str, depth: int | str = 64) -> flow.LinearOp:
    a, weight = Block(arg_types=[TensorType.of(["M", depth], left), TensorType.of([32, depth], right)]).args
    return flow.LinearOp(a, weight, element=result)


@pytest.mark.parametrize("types", [("i8", "i8", "i32"), ("bf16", "bf16", "f32"), ("f32", "f32", "bf16")], ids=" ".join)
def test_products(types: tuple[str, str, str]) -> None:
    product(*types).verify()


@pytest.mark.parametrize(
    ("types", "message"),
    [
        (("i8", "i8", "f32"), "i8 by i8 into f32; integers are i8 by i8 into i32"),
        (("i8", "f32", "f32"), "i8 by f32 into f32"),
        (("i64", "i64", "i64"), "i64 by i64 into i64"),
        (("i8", "i8", "i32", 2**17), "sums of 131072 products of i8 may leave i32"),
        (("i8", "i8", "i32", "K"), "sums of K products of i8 may leave i32"),
    ],
)
def test_what_is_no_product(types: tuple[str, str, str], message: str) -> None:
    with pytest.raises(VerifyException, match=message):
        product(*types).verify()


def test_the_deepest_product_fits() -> None:
    product("i8", "i8", "i32", flow.INT8_DEPTH).verify()
    assert -(2**31) <= flow.INT8_DEPTH * 128 * 128 < 2**31 <= (flow.INT8_DEPTH + 1) * 128 * 128
    assert TORCH_DTYPES["i32"] == torch.int32


@pytest.mark.parametrize(
    "types", [("i8", "i8", "i64"), ("i8", "i32", "i32"), ("i64", "i64", "i64"), ("f32", "i8", "f32")]
)
def test_tiles_of_other_types(types: tuple[str, str, str]) -> None:
    with ImplicitBuilder(Block()):
        a, b, sums = (fill(0, 16, 16, DTYPES[t]) for t in types)
        with pytest.raises(VerifyException, match=f"tile.dot: {types[0]} by {types[1]} into {types[2]}"):
            tile.DotOp(a, b, sums, True).verify()
