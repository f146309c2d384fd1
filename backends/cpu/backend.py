"""The CPU's side of the backend contract: its facts, and `emit`, which turns a tile kernel into C++ source for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ...ir import tile
from ...ir.ledger import Ledger, Refusal
from ...ir.tile_shapes import TileShapes
from ...runtime.artifact import Kernel, ProgramDescription
from ...runtime.host_device import HostDevice, load_host
from ..contract import Emitted, Form, Precision
from .emit import has_bf16_products, kernel_source
from .exact_factors import rounds_weights
from .extents import extents
from .pack import PackedLayout, pack, packed_type
from .target import CpuTarget

if TYPE_CHECKING:
    import torch

_ROUNDED = "|a|·|w|·2^-7"
PRODUCT_ERRORS = {"bf16x3": "|a|·|w|·2^-16", "bf16x1": _ROUNDED, "bf16x1-pairs": _ROUNDED}
"""Of fp32 products, by the layout of the weight."""
HEADERS = Path(__file__).with_name("include")


@dataclass(frozen=True)
class KernelSource:
    """One kernel's C++ source. `entry`: the function's name. `packed_layout`: how it reads its packed weights. `blocking`: what was
    decided for its GEMMs, and why. `rounds_weights`: softmax weights are rounded to bf16 before they meet values of that type."""

    name: str
    source: str
    entry: str
    packed_layout: PackedLayout
    blocking: tuple[str, ...] = ()
    rounds_weights: bool = False


def emit(
    kernel: tile.KernelOp, target: CpuTarget, *, pack: bool = True, precision: Precision = "highest"
) -> KernelSource:
    """C++ for a kernel, to be compiled against `headers()`; without `pack` it reads weights as they lie, [N, K].

    `precision` is PyTorch's for fp32 products: `high` takes three bf16 products where AMX has them (bf16x3; Henry, Tang and
    Heinecke, 2019; an infinite factor gives NaN), `medium` one, where AVX-512 has them too; elsewhere all are fp32.

    Raises UnsupportedKernelError with the op that it cannot print.
    """
    name = kernel.sym_name.data
    source, layout, blocking = kernel_source(kernel, target, pack, precision)
    return KernelSource(name, source, name, layout, blocking, has_bf16_products(target) and rounds_weights(kernel))


@dataclass(frozen=True)
class CpuBackend:
    """Kernels for one CPU. `pack_weights`: a copy of each weight in the order in which kernels read it."""

    target: CpuTarget
    pack_weights: bool = True
    precision: Precision = "highest"

    def shapes(self, module: ModuleOp, ops: Sequence[Operation], form: Form, ledger: Ledger) -> TileShapes:
        return TileShapes()

    @property
    def headers(self) -> Mapping[str, str]:
        return headers()

    def emit(self, module: ModuleOp, ledger: Ledger) -> list[Emitted]:
        """The ledger gets a row for each GEMM's blocking, and for each kernel whose products are less precise than fp32's."""
        found: list[Emitted] = []
        for op in module.ops:
            if not isinstance(op, tile.KernelOp):
                continue
            made = emit(op, self.target, pack=self.pack_weights, precision=self.precision)
            if bound := PRODUCT_ERRORS.get(made.packed_layout):
                ledger.take("matmul-precision", made.name, f"fp32 products as {made.packed_layout}", bound=bound)
            if made.rounds_weights:
                what = "softmax weights are rounded to bf16 where they meet values, so that the CPU takes two products at a time"
                ledger.take("bf16-products", made.name, what, bound="2^-9 of each weight")
            if made.packed_layout == "rows" and any(
                isinstance(inner, tile.DotOp) and tile.exact_dtype(inner.b) == "i8" for inner in op.walk()
            ):
                slow = Refusal("weights that are not packed are multiplied number by number", "pack_weights='auto'")
                ledger.refuse("int8-products", made.name, slow)
            for reason in made.blocking:
                ledger.take("gemm-blocking", made.name, reason)
            native = Kernel(
                made.name, made.source, made.entry, self.target.isa, symbols=tuple(s.data for s in op.symbols),
                extents=extents(op, made.packed_layout),
            )  # fmt: skip
            found.append(Emitted(native, made.packed_layout))
        return found

    def packed_type(self, shape: Sequence[int], dtype: str, layout: str) -> tuple[tuple[int, ...], str]:
        return packed_type(shape, dtype, cast(PackedLayout, layout))

    def pack(self, weight: torch.Tensor, layout: str) -> torch.Tensor:
        return pack(weight, cast(PackedLayout, layout))

    def load(self, description: ProgramDescription, emitted: Sequence[Emitted]) -> HostDevice:
        return load_host(description)


def headers() -> dict[str, str]:
    """The support headers, file name → text."""
    return {path.name: path.read_text() for path in sorted(HEADERS.glob("*.h"))}
