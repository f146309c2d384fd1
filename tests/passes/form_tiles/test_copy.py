"""Copies, concatenations and batched products of activations against the reference."""

import pytest
import torch

from flow_models import Function
from tile_programs import check, kernel
from warpweave.ir import fused
from warpweave.ir.types import TensorType, shape_of, tensor_type

T = TensorType.of


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_copy_of_a_transposed_view(order):
    f = Function("main")
    x = f.transpose(f.arg("x", [3, 40, 70]), *order)
    check(f, kernel(f, fused.CopyOp([x], 0, tensor_type(x))))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["bf16", "i64", "i1"])
def test_concatenation(axis, dtype):
    f = Function("main", dtype)
    shapes = [[3, 4, 6] for _ in range(3)]
    for i, shape in enumerate(shapes):
        shape[axis] = i + 1
    parts = [f.arg("x", shape, value=None if dtype != "i1" else torch.ones(shape)) for shape in shapes]
    result = tensor_type(parts[0]).with_shape([6 if i == axis else n for i, n in enumerate([3, 4, 6])])
    check(f, kernel(f, fused.CopyOp(parts, axis, result)))


def test_a_new_cache_row_in_symbolic_sizes():
    f = Function("main")
    sizes = {"B": 2, "L": 9}
    old, new = f.arg("old", ["B", 2, "L", 16], sizes=sizes), f.arg("new", ["B", 2, 1, 16], sizes=sizes)
    check(f, kernel(f, fused.CopyOp([old, new], 2, T(["B", 2, "L + 1", 16], "f32"))))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("m", "k", "n"), [(5, 7, 3), (40, 100, 70)])
def test_batched_products(transposed, m, k, n):
    f = Function("main")
    sizes = {"B": 2, "M": m, "K": k, "N": n}
    a = f.arg("a", ["B", 3, "M", "K"], sizes=sizes)
    b = f.arg("b", [3, "N", "K"] if transposed else [3, "K", "N"], sizes=sizes)
    b = f.transpose(b, 0, 2, 1) if transposed else b
    check(f, kernel(f, fused.MatmulKernelOp(a, b, T(["B", 3, "M", "N"], "f32"))), atol=1e-5)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_product_without_batch(transposed):
    f = Function("main")
    a, b = f.arg("a", [1, 70]), f.arg("b", [9, 70] if transposed else [70, 9])
    b = f.transpose(b, 1, 0) if transposed else b
    check(f, kernel(f, fused.MatmulKernelOp(a, b, T([1, 9], "f32"))), atol=1e-5)


def test_a_static_product_of_broadcast_batches():
    f = Function("main", "f64")
    a, b = f.arg("a", [4, 1, 6, 10]), f.arg("b", [1, 3, 10, 8])
    assert shape_of(a) != shape_of(b)
    check(f, kernel(f, fused.MatmulKernelOp(a, b, T([4, 3, 6, 8], "f64"))), atol=1e-12)
