"""The autotuner: the cost model's best few candidates of a kernel, measured on the GPU; the fastest is taken.

What is measured is the whole kernel, epilogue and all, at the sizes of the capture. A measurement is kept in the kernel cache,
under the code, the sizes and the GPU's name, so that a program is tuned once on a machine; a bundle's ledger holds it too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...ir.layout import Layout, resolve
from ...ir.tile_shapes import Formed
from ...ir.types import TORCH_NAMES, tensor_type
from ...runtime.cache import Cache, sha256
from ...runtime.cuda.driver import Driver
from ...runtime.cuda.measure import Buffer, seconds
from ...runtime.launch import DeviceKernel

CANDIDATES = 4
"""Of each kernel that are measured."""


@dataclass(frozen=True)
class Tuner:
    """Measures on one GPU. `cache`: where measurements are kept."""

    driver: Driver
    cache: Cache = field(default_factory=Cache)

    def seconds(self, kernel: DeviceKernel, buffers: Sequence[Buffer], sizes: Sequence[int]) -> float:
        """Of one launch. Raises CudaError."""
        name = f"{kernel.phases[0].launch.entry}_seconds"
        components = {
            "code": sha256("".join(sha256(phase.cubin) for phase in kernel.phases)),
            "buffers": str(buffers),
            "sizes": str(list(sizes)),
            "gpu": self.driver.name,
        }

        def make(path: Path) -> None:
            path.write_text(json.dumps(seconds(self.driver, kernel, buffers, sizes)))

        path, _ = self.cache.get_or_make(name, components, make)
        return float(json.loads(path.read_text()))


def buffers_of(formed: Formed, sizes: Mapping[str, int], position: int) -> list[Buffer]:
    """What a kernel is measured with: look-ups find row 0, every other integer is `position`, truth values are true."""
    layouts = [*(resolve(value)[1] for value in formed.operands), *(Layout.contiguous(r.shape) for r in formed.results)]
    dtypes = [*(tensor_type(value).dtype for value in formed.operands), *(r.dtype for r in formed.results)]
    looked_up = [index for index, _, _ in formed.kernel.lookups]
    values = [0 if arg in looked_up else position for arg in formed.kernel.body.args]
    return [
        Buffer(TORCH_NAMES[dtype], _extent(layout, sizes), 1 if dtype == "i1" else value)
        for dtype, layout, value in zip(dtypes, layouts, values, strict=True)
    ]


def _extent(layout: Layout, sizes: Mapping[str, int]) -> int:
    """Elements from the first to past the last; at least one."""
    pairs = [(n.evaluate(sizes), s.evaluate(sizes)) for n, s in zip(layout.sizes, layout.strides, strict=True)]
    return 1 + sum(max(n - 1, 0) * s for n, s in pairs)
