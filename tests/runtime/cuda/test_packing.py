"""Parameters as the cubins' own parameter tables read them: addresses, sizes, scratch, fault words; and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

import triton_samples
from fake_gpu import FakeGpu
from interpreted import needs_triton
from mutants.edits import edited
from warpweave.backends.triton.compile import build, device_kernel
from warpweave.runtime.artifact import Kernel, Launch, NativeStep, ProgramDescription
from warpweave.runtime.cuda.device import CudaDevice
from warpweave.runtime.cuda.packing import Packing
from warpweave.runtime.errors import ArgumentError
from warpweave.runtime.launch import DeviceKernel, DevicePhase, LaunchDescription, LaunchParameter, Scratch

pytestmark = needs_triton
NAMES = ("softmax", "gemm")  # a pointer and sizes of four and eight bytes; two phases, and one


class Recorder(FakeGpu):
    """Runs nothing."""

    def _interpret(self, *_: Any) -> None:
        return


def _device(launches: list[Launch], **changed: Any) -> tuple[CudaDevice, Recorder]:
    """A program of launches of softmax (0) and gemm (1); `changed`: of every launch description."""
    gpu = Recorder()
    kernels: list[DeviceKernel] = []
    for name, phases in zip(NAMES, build([triton_samples.job(name, "sm_90") for name in NAMES]), strict=True):
        phases = tuple(msgspec.structs.replace(p, launch=msgspec.structs.replace(p.launch, **changed)) for p in phases)
        gpu.learn(triton_samples.SOURCES[name], phases)
        kernels.append(device_kernel(triton_samples.SOURCES[name], phases))
    description = ProgramDescription(
        name="two",
        kernels=tuple(Kernel(name, "", name, "sm_90") for name in NAMES),
        steps=(NativeStep(tuple(launches)),),
    )
    return CudaDevice(description, kernels, gpu), gpu


LAUNCHES = [Launch(1, (0, 1, 2, 3), ("a", "b")), Launch(0, (3, 1, 0), ("a", "b")), Launch(1, (3, 2, 1, 0), ("b", "a"))]
SLOTS = [0x7F00_0000_0000, 0x1000, 0x2000, 0x3000]


class _Sizes:
    def __init__(self, dims: list[int]) -> None:
        self.dims = np.array(dims, np.int64)


def _call(dims: list[int]) -> Any:
    return SimpleNamespace(sizes=_Sizes(dims), workspace=SimpleNamespace(table=np.array(SLOTS)))


def check_values() -> None:
    """Three launches, four blocks; and the last two launches alone."""
    a, b, c, d = SLOTS
    device, gpu = _device(LAUNCHES)
    device.run(0, 3, _call([100, 64, 5, 48, 640, 128]))
    expected = [
        ("gemm_bias", 2, (a, b, c, d, 100, 64, 0, 0)),
        ("softmax_sums", 5, (d, b, a, 5, 48, 0, 0)),
        ("softmax_divide", 5, (d, b, a, 5, 48, 0, 0)),
        ("gemm_bias", 10, (d, c, b, a, 640, 128, 0, 0)),
    ]
    assert [(each.entry, each.blocks, each.values) for each in gpu.launched] == expected
    gpu.launched.clear()
    device.run(1, 2, _call([100, 64, 5, 48, 640, 128]))
    assert [(each.entry, each.blocks, each.values) for each in gpu.launched] == expected[1:]


def test_values() -> None:
    check_values()


@pytest.mark.parametrize(
    ("target", "old", "new"),
    [
        ("runtime.cuda.packing:Packing._add", "begin + parameter.offset", "begin + parameter.offset // 8 * 8"),
        ("runtime.cuda.packing:Packing._add", "itertools.count(self._first_dims[number])", "itertools.count()"),
        ("runtime.cuda.packing:Packing.segment", "word - start.word, slot", "word, slot"),
        ("runtime.cuda.packing:Packing.segment", "- start.word * WORD", ""),
        ("runtime.cuda.packing:Packing.prepare", "narrow[at // 4]", "words[at // WORD]"),
        ("runtime.cuda.packing:Packing._evaluated", "first : first + len(sized.names)", ": len(sized.names)"),
        ("runtime.cuda.device:CudaDevice.run", "prepared.grids[segment.number :]", "prepared.grids"),
    ],
    ids=lambda text: text.rpartition(":")[2] if ":" in text else "",
)
def test_mutants_are_caught(target: str, old: str, new: str) -> None:
    with edited(target, old, new), pytest.raises((AssertionError, IndexError, StopIteration)):
        check_values()


def test_no_block_no_launch() -> None:
    device, gpu = _device(LAUNCHES)
    device.run(0, 3, _call([0, 64, 5, 48, 640, 128]))
    assert [each.entry for each in gpu.launched] == ["softmax_sums", "softmax_divide", "gemm_bias"]


def test_scratch_is_allocated_for_each_block() -> None:
    device, gpu = _device(LAUNCHES, global_scratch=Scratch(100, 1 << 16))
    sizes: list[int] = []
    empty = gpu.arrays.empty
    gpu.arrays.empty = lambda shape, strides, dtype: (sizes.append(shape[0]), empty(shape, strides, dtype))[1]
    device.run(0, 3, _call([100, 64, 5, 48, 640, 128]))
    assert sizes == [(1 << 16) + n for n in (200, 500, 500, 1000)]
    for launched in gpu.launched:
        first, second = launched.values[-2:]
        assert first % (1 << 16) == 0 < first
        assert second == 0


@pytest.mark.parametrize(
    ("dims", "where", "why"),
    [
        ([2**31, 64, 5, 48, 640, 128], "size d0", "2147483648 is beyond 2147483647"),
        ([100, 63, 5, 48, 640, 128], "size d1", "63 is no multiple of 16"),
    ],
)
def test_sizes_that_are_refused(dims: list[int], where: str, why: str) -> None:
    device, gpu = _device(LAUNCHES)
    with pytest.raises(ArgumentError) as raised:
        device.run(0, 3, _call(dims))
    assert (raised.value.where, raised.value.why) == (where, why)
    assert not gpu.launched


def test_a_grid_that_is_too_large() -> None:
    about = LaunchDescription(
        entry="k", target="sm_90", grid="d0 * d0", num_warps=4, shared=0,
        parameters=(LaunchParameter("d0", "i32", 0, 4),),
    )  # fmt: skip
    packing = Packing([Launch(0, (), ("a",))], [DeviceKernel((DevicePhase(b"", about),))])
    with pytest.raises(ArgumentError, match=r"10000000000 blocks, 2147483647 fit a grid"):
        packing.prepare(_call([100_000]).sizes)


def test_faults_have_words_of_their_own() -> None:
    placed = tuple(LaunchParameter(name, "pointer", 8 * i, 8) for i, name in enumerate(("in0", "out1", "fault")))
    about = LaunchDescription(entry="k", target="sm_90", grid="1", num_warps=4, shared=0, parameters=placed)
    kernel = DeviceKernel((DevicePhase(b"", about),), lookups=(0,))
    packing = Packing([Launch(0, (0, 1)), Launch(0, (1, 0))], [kernel], faults=4096)
    words = [0, 0, 4096, *[0] * 5, 0, 0, 4096 + 32, *[0] * 5]  # a launch's begin on 64 bytes
    assert packing.prepare(_call([]).sizes).words.tolist() == words
    assert packing.segment(0, 2).slots.tolist() == [0, 1, 1, 0]
    assert packing.segment(0, 2).pointers.tolist() == [0, 1, 8, 9]
