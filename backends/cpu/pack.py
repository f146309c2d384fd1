"""How packed weights lie in memory: the layouts that include/README.md documents, as torch recipes. `rows`: as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

PackedLayout = Literal["rows", "panel", "vnni"]


def packed_shape(n: int, k: int, layout: PackedLayout) -> tuple[int, ...]:
    """The shape of a weight [n, k] once packed."""
    panels, blocks = -(-n // 32), -(-k // 32)
    return {"rows": (n, k), "panel": (panels, k, 32), "vnni": (panels, blocks, 2, 16, 16, 2)}[layout]


def pack(weight: torch.Tensor, layout: PackedLayout) -> torch.Tensor:
    """A weight [N, K] in a packed layout: a contiguous copy, padded with zeros. Raises ValueError for another rank."""
    import torch.nn.functional as F

    if weight.dim() != 2:
        raise ValueError(f"a packed weight is [N, K], not {tuple(weight.shape)}")
    n, k = weight.shape
    if layout == "rows":
        return weight.contiguous()
    if layout == "panel":
        return F.pad(weight, (0, 0, 0, -n % 32)).view(-1, 32, k).transpose(1, 2).contiguous()
    padded = F.pad(weight, (0, -k % 32, 0, -n % 32))
    return padded.view(-1, 2, 16, padded.shape[1] // 32, 16, 2).permute(0, 3, 1, 4, 2, 5).contiguous()
