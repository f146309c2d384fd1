"""All that talks to CUDA, and to PyTorch's side of it: one GPU, its streams and memory, loading and launching kernels."""

from __future__ import annotations

import ctypes
import functools
import importlib
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from .. import arrays as libraries
from ..arrays import Arrays
from ..aten import torch_module
from ..errors import CudaError, MissingPackageError
from .tensor_maps import MapShape

FREE_SHARED = 48 * 1024
"""Bytes of dynamic shared memory that every kernel may use unasked."""


_MAP_TYPES = {
    "bfloat16": "BFLOAT16",
    "float16": "FLOAT16",
    "float32": "FLOAT32",
    "float64": "FLOAT64",
    **dict.fromkeys(("float8_e4m3fn", "float8_e5m2", "int8", "uint8"), "UINT8"),
}
_SWIZZLES = {0: "NONE", 32: "32B", 64: "64B", 128: "128B"}
"""What the driver calls a dtype, and the bytes over which a tile is swizzled."""


class Function(NamedTuple):
    """A loaded kernel. `owner`: what keeps its code loaded."""

    handle: int
    owner: Any = None


class Driver(Protocol):
    """One GPU. `architecture`: `sm_90`; `name`: `NVIDIA H200`; `multiprocessors`: how many; `arrays`: PyTorch's on it."""

    architecture: str
    name: str
    multiprocessors: int
    arrays: Arrays

    def load(self, cubin: bytes, entry: str, shared: int) -> Function:
        """A kernel that is launched with `shared` bytes of dynamic shared memory. Raises CudaError."""
        ...

    def current(self) -> AbstractContextManager[Any]:
        """This GPU is the calling thread's, meanwhile."""
        ...

    def stream(self) -> int:
        """The handle of PyTorch's current stream on this GPU."""
        ...

    def launch(self, function: Function, blocks: int, threads: int, shared: int, stream: int, parameters: int) -> None:
        """`parameters`: where a table of the addresses of each parameter's value begins; it is read before this returns.
        Raises CudaError."""
        ...

    def tensor_map(self, shape: MapShape, buffer: int) -> NDArray[np.int64] | None:
        """The CUtensorMap of a buffer at that address, in words of 8 bytes; None where the driver refuses it."""
        ...

    def page_locked(self, count: int) -> NDArray[np.int64]:
        """So many zeros in host memory that kernels write to under the same address."""
        ...

    def wait(self) -> None:
        """Until all that was launched has run. Raises CudaError."""
        ...

    def measuring(self) -> AbstractContextManager[Any]:
        """Tensors have memory and need no gradients, meanwhile, whatever PyTorch is tracing."""
        ...

    def filled(self, dtype: str, count: int, value: int) -> Any:
        """A tensor of so many elements: normal numbers for floats, else `value` everywhere."""
        ...

    def elapsed(self, run: Callable[[], Any]) -> float:
        """Seconds that the GPU takes for what `run` launches."""
        ...


class CudaDriver:
    """Through cuda-core and cuda-bindings. Raises MissingPackageError, and CudaError where there is no such GPU."""

    def __init__(self, device: str) -> None:
        """`cuda:1`, or `cuda` for PyTorch's current one."""
        self._torch = torch = torch_module()
        core: Any
        self._driver: Any
        try:
            core, self._driver = (importlib.import_module(name) for name in ("cuda.core", "cuda.bindings.driver"))
        except ImportError as error:
            raise MissingPackageError(
                "cuda-core is not installed", where=device, why=f"it launches kernels on GPUs ({error})",
                next="pip install 'warpweave[cuda]'",
            ) from error  # fmt: skip
        try:
            torch.cuda.init()
            index = torch.device(device).index
            self._index: int = torch.cuda.current_device() if index is None else index
            self._device: Any = core.Device(self._index)
            capability = self._device.compute_capability
            self.name = str(self._device.name)
            self.multiprocessors = int(self._device.properties.multiprocessor_count)
        except Exception as error:
            raise CudaError(
                f"{device} cannot be used", where="the CUDA driver", why=str(error), next="look at nvidia-smi"
            ) from error
        self.architecture = f"sm_{capability.major}{capability.minor}"
        self.arrays: Arrays = libraries.torch_on(f"cuda:{self._index}")
        self._code_of: Any = core.ObjectCode.from_cubin
        self._local = threading.local()

    def load(self, cubin: bytes, entry: str, shared: int) -> Function:
        with self.current():
            try:
                module = self._code_of(cubin)
                kernel = module.get_kernel(entry)
                handle = int(kernel.handle)
            except Exception as error:
                raise CudaError(
                    f"Kernel {entry} cannot be loaded", where=f"cuda:{self._index}", why=str(error),
                    next="update the GPU's driver, or report this",
                ) from error  # fmt: skip
            if shared > FREE_SHARED:
                limit = self._driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
                device = self._driver.CUdevice(self._index)
                self._call("cuKernelSetAttribute", limit, shared, self._driver.CUkernel(handle), device)
        return Function(handle, (module, kernel))

    def current(self) -> AbstractContextManager[Any]:
        if not getattr(self._local, "entered", False):  # a new thread has no context before it asks for one
            self._device.set_current()
            self._local.entered = True
        return cast("AbstractContextManager[Any]", self._torch.cuda.device(self._index))

    def stream(self) -> int:
        return self._torch._C._cuda_getCurrentRawStream(self._index)

    def launch(self, function: Function, blocks: int, threads: int, shared: int, stream: int, parameters: int) -> None:
        self._call("cuLaunchKernel", function.handle, blocks, 1, 1, threads, 1, 1, shared, stream, parameters, 0)

    def tensor_map(self, shape: MapShape, buffer: int) -> NDArray[np.int64] | None:
        cuda = self._driver
        sizes, strides, box = (tuple(reversed(each)) for each in (shape.sizes, shape.strides, shape.box))
        code, made = cuda.cuTensorMapEncodeTiled(
            getattr(cuda.CUtensorMapDataType, f"CU_TENSOR_MAP_DATA_TYPE_{_MAP_TYPES[shape.dtype]}"),
            len(sizes),
            buffer + shape.offset,
            [cuda.cuuint64_t(n) for n in sizes],
            [cuda.cuuint64_t(n) for n in strides[1:]],
            [cuda.cuuint32_t(n) for n in box],
            [cuda.cuuint32_t(1)] * len(sizes),
            cuda.CUtensorMapInterleave.CU_TENSOR_MAP_INTERLEAVE_NONE,
            getattr(cuda.CUtensorMapSwizzle, f"CU_TENSOR_MAP_SWIZZLE_{_SWIZZLES[shape.swizzle]}"),
            cuda.CUtensorMapL2promotion.CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
            cuda.CUtensorMapFloatOOBfill.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,  # zeros
        )
        if code != cuda.CUresult.CUDA_SUCCESS:
            return None
        return np.array([int(word) for word in made.opaque], np.uint64).view(np.int64)

    def page_locked(self, count: int) -> NDArray[np.int64]:
        # Not PyTorch's: while Dynamo compiles, tensors have no memory. Under unified addressing (every 64-bit Linux) the
        # address is the same for the GPU.
        if not count:
            return np.zeros(0, np.int64)
        with self.current():
            flags = self._driver.CU_MEMHOSTALLOC_PORTABLE | self._driver.CU_MEMHOSTALLOC_DEVICEMAP
            address = int(self._call("cuMemHostAlloc", 8 * count, flags))
        memory = np.ctypeslib.as_array((ctypes.c_int64 * count).from_address(address))
        weakref.finalize(memory, self._driver.cuMemFreeHost, address)
        memory[:] = 0
        return memory

    def wait(self) -> None:
        self._torch.cuda.synchronize(self._index)

    @contextmanager
    def measuring(self) -> Generator[None]:
        from torch.utils._python_dispatch import _disable_current_modes

        with _disable_current_modes(), self._torch.no_grad(), self.current():
            yield

    def filled(self, dtype: str, count: int, value: int) -> Any:
        torch = self._torch
        made = torch.full((count,), value, dtype=getattr(torch, dtype), device=f"cuda:{self._index}")
        return made.normal_() if made.dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16) else made

    def elapsed(self, run: Callable[[], Any]) -> float:
        start, end = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3

    def _call(self, name: str, *args: Any) -> Any:
        """What it gives, if anything. Raises CudaError."""
        code, *given = getattr(self._driver, name)(*args)
        if code != self._driver.CUresult.CUDA_SUCCESS:
            raise CudaError(
                f"{name} failed", where=f"cuda:{self._index}", why=str(code),
                next="run with CUDA_LAUNCH_BLOCKING=1 to see which launch it was, and report this",
            )  # fmt: skip
        return given[0] if given else None


@functools.cache
def driver_of(device: str) -> Driver:
    """The GPU `cuda:1`, or `cuda` for PyTorch's current one. Raises MissingPackageError, CudaError."""
    return CudaDriver(device)


def runs(isa: str, architecture: str) -> bool:
    """Whether code for `sm_80` runs on `sm_86`: the same generation, no older. Code for `sm_90a` runs on `sm_90` only."""
    if isa == architecture or isa == f"{architecture}a":
        return True
    code, gpu = isa.removeprefix("sm_"), architecture.removeprefix("sm_")
    return code.isdigit() and gpu.isdigit() and code[:-1] == gpu[:-1] and code[-1] <= gpu[-1]
