"""Kernels of warp roles on a GPU, which is a double: tensor maps, parameters, what is launched where there can be no map."""

from __future__ import annotations

import copy
import zipfile
from typing import Any

import pytest
import torch

import warpweave
from cuda_compiled import needs_nvrtc
from fake_gpu import FakeGpu, gpu
from mutants.edits import edited
from numerics import assert_close_to_float64
from warpweave.runtime.cuda.tensor_maps import MapShape, refusal

__all__ = ["gpu"]

pytestmark = needs_nvrtc
OPTIONS = {"backend": "cuda"}


class _Product(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b


def _operands(inner: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(inner)
    return torch.randn(150, inner).bfloat16(), torch.randn(inner, 96).bfloat16()


def _check(compiled: Any, a: torch.Tensor, b: torch.Tensor) -> None:
    model = _Product()
    assert_close_to_float64(compiled(a, b), model(a, b), model(a.double(), b.double()), what=f"K = {a.shape[1]}")


@pytest.fixture
def product(gpu: FakeGpu) -> Any:
    torch._dynamo.reset()
    yield torch.compile(_Product(), backend="warpweave", options=OPTIONS, dynamic=True)
    torch._dynamo.reset()


def test_tensor_maps_are_those_of_the_operands(gpu: FakeGpu, product: Any) -> None:
    a, b = _operands(72)
    _check(product, a, b)
    (launched,) = gpu.launched
    shapes = {shape.sizes: shape for shape, _ in gpu.maps}
    of_a, of_b = shapes[150, 72], shapes[72, 96]
    assert (of_a.dtype, of_a.strides, of_a.swizzle) == ("bfloat16", (144, 2), 128)
    assert (of_b.strides, of_b.swizzle) == ((192, 2), 2 * of_b.box[-1])
    assert {a.data_ptr(), b.data_ptr()} <= {buffer for _, buffer in gpu.maps} == set(launched.values[: len(gpu.maps)])
    count = len(gpu.maps)
    _check(product, a, b)
    assert len(gpu.maps) - count <= 1  # a's and b's are known; the output may lie elsewhere


def test_where_there_can_be_no_map_triton_runs(gpu: FakeGpu, product: Any) -> None:
    for inner in (72, 75, 40):
        _check(product, *_operands(inner))
    first, second, third = (launched.values for launched in gpu.launched)
    assert first[:1] != second[:1]
    assert [len(values) for values in (first, second, third)] == [len(first), len(second), len(first)]
    assert len(first) != len(second)
    gpu.takes_maps = False
    _check(product, *_operands(56))
    assert len(gpu.launched[-1].values) == len(second)


def test_a_mutant_that_launches_both_is_caught(gpu: FakeGpu, product: Any) -> None:
    old, new = "block.otherwise != (block.launch in others)", "False"
    with (
        edited("runtime.cuda.device:CudaDevice.run", old, new),
        pytest.raises(AssertionError, match="tensor map of 0 dims"),
    ):
        test_where_there_can_be_no_map_triton_runs(gpu, product)


@pytest.mark.parametrize(
    ("target", "old", "new"),
    [
        ("runtime.cuda.packing:Packing._add", "launch.args[parameter.map.buffer]", "launch.args[0]"),
        ("runtime.cuda.packing:Packing._add", "begin + size + -size % ALIGNMENT", "begin + size + 8"),
        ("runtime.cuda.packing:Packing.segment", "word=m.word - start.word", "word=m.word"),
        ("runtime.cuda.tensor_maps:refusal", "step % ALIGNMENT for", "step % 4 * ALIGNMENT + 1 for"),
        ("runtime.cuda.tensor_maps:refusal", "(address + shape.offset) % ALIGNMENT != 0", "True"),
    ],
    ids=["slot", "alignment", "place", "strides", "address"],
)
def test_mutants_are_caught(gpu: FakeGpu, target: str, old: str, new: str) -> None:
    with edited(target, old, new), pytest.raises((AssertionError, ValueError)):
        _three_launches(gpu)


class _Sorted(torch.nn.Module):
    """Two linears that are one run of launches, an operator that is PyTorch's, and one more linear."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (torch.nn.Linear(72, 72) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.third(torch.sort(self.second(torch.nn.functional.silu(self.first(x))), dim=-1).values)


def _three_launches(gpu: FakeGpu) -> None:
    torch.manual_seed(0)
    model, x = _Sorted().bfloat16().eval(), torch.randn(130, 72).bfloat16()
    compiled = warpweave.compile(model, (x,), options=OPTIONS)
    with torch.no_grad():
        ours = compiled(x)
        assert gpu.maps, "no tensor map was made"
        assert_close_to_float64(ours, model(x), copy.deepcopy(model).double()(x.double()), what="three linears")


def test_three_launches(gpu: FakeGpu) -> None:
    _three_launches(gpu)
    assert len(gpu.launched) == 3


def test_ahead_of_time_a_bundle_holds_both_forms(gpu: FakeGpu, tmp_path: Any) -> None:
    torch.manual_seed(0)
    model, x = (
        torch.nn.Sequential(torch.nn.Linear(72, 96), torch.nn.SiLU()).bfloat16().eval(),
        torch.randn(150, 72).bfloat16(),
    )
    compiled = warpweave.compile(model, (x,), options={**OPTIONS, "target": "h200"})
    assert [kernel.isa for kernel in compiled.program.description.kernels] == ["sm_90a"]
    path = tmp_path / "block.weavebundle"
    compiled.save(path)
    with zipfile.ZipFile(path) as bundle:
        (name,) = (n for n in bundle.namelist() if n.startswith("objects/"))
        assert name.startswith("objects/sm_90a/gemm_")
        assert b"ww::tma_load" in bundle.read(next(n for n in bundle.namelist() if n.startswith("kernels/")))
    program = warpweave.load(path)
    with torch.no_grad():
        torch.testing.assert_close(program([x])[0], model(x), rtol=2e-2, atol=2e-2)
    assert len(gpu.maps) >= 2


class _Block(torch.nn.Module):
    """A norm, two linears with an activation between, a residual; attention over heads of 64."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = torch.nn.RMSNorm(128), torch.nn.Linear(128, 320), torch.nn.Linear(320, 128)
        self.qkv = torch.nn.Linear(128, 384)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).view(*x.shape[:2], 3, 2, 64).permute(2, 0, 3, 1, 4)
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + attended.transpose(1, 2).reshape(x.shape)
        return x + self.down(torch.nn.functional.gelu(self.up(self.norm(x))))


def test_an_a100_has_warp_roles_without_tensor_maps(gpu: FakeGpu) -> None:
    gpu.architecture, gpu.name, gpu.multiprocessors = "sm_80", "NVIDIA A100-SXM4-80GB", 108
    torch.manual_seed(0)
    model, x = _Block().bfloat16().eval(), torch.randn(2, 75, 128).bfloat16()
    compiled = warpweave.compile(model, (x,), options=OPTIONS)
    taken = [r["where"] for r in compiled.report["ledger"] if r["rule"] == "cuda-kernels" and r["outcome"] == "taken"]
    assert {where.partition("_")[0] for where in taken} == {"gemm", "attention"}
    assert all(" on A100 80GB SXM: " in where for where in taken)
    with torch.no_grad():
        ours = compiled(x)
        assert_close_to_float64(ours, model(x), copy.deepcopy(model).double()(x.double()), what="a block")
    assert {kernel.isa for kernel in compiled.program.description.kernels} == {"sm_80"}
    assert gpu.maps == []
    kinds = {where.partition(" ")[0].rpartition("_")[0] for where in taken}  # without the hash: it depends on tiles
    assert len(kinds) == 4
    assert all(any(entry.startswith(f"{kind}_") for entry in gpu.emulated) for kind in kinds)


def test_on_an_a100_a_stride_that_copies_cannot_take_is_left_to_triton(gpu: FakeGpu, product: Any) -> None:
    gpu.architecture, gpu.name, gpu.multiprocessors = "sm_80", "NVIDIA A100-SXM4-80GB", 108
    for inner in (72, 75, 40):  # rows of a: 144 and 80 bytes are multiples of 16, 150 are not
        _check(product, *_operands(inner))
    first, second, third = (launched.values for launched in gpu.launched)
    assert len(first) == len(third) != len(second)


def test_a_mutant_that_launches_what_does_not_hold_is_caught(gpu: FakeGpu, product: Any) -> None:
    with (
        edited("runtime.cuda.packing:Packing.prepare", "others.add(other)", "pass"),
        pytest.raises(AssertionError, match="= 75"),
    ):
        test_on_an_a100_a_stride_that_copies_cannot_take_is_left_to_triton(gpu, product)


def test_a_gpu_without_warp_roles_gets_triton(gpu: FakeGpu) -> None:
    compiled = warpweave.compile(
        torch.nn.Linear(64, 64).bfloat16().eval(),
        (torch.randn(70, 64).bfloat16(),),
        options={**OPTIONS, "target": "b200"},
    )
    assert [kernel.isa for kernel in compiled.program.description.kernels] == ["sm_100"]
    (row,) = (row for row in compiled.report["ledger"] if row["rule"] == "cuda-kernels")
    assert row["reason"] == "there are no warp roles for sm_100"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, ""),
        ({"sizes": (0, 64)}, "an empty tensor"),
        ({"strides": (120, 2)}, "rows of 120 bytes, which are no multiple of 16"),
        ({"offset": 8}, "an address that is no multiple of 16"),
        ({"strides": (128, 4)}, "columns 4 bytes apart"),
        ({"strides": (-128, 2)}, "rows -128 bytes apart"),
        ({"sizes": (2**33, 64)}, "8589934592 elements along a dim; 4294967296 is the most"),
    ],
)
def test_rules_of_tensor_maps(changed: dict[str, Any], why: str) -> None:
    shape = MapShape("bfloat16", (8, 64), (128, 2), 0, (8, 64), 128)
    assert refusal(shape._replace(**changed), 0x1000) == why
