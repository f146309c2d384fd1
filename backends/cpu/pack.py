"""How packed weights lie in memory: the layouts that include/README.md documents, as torch recipes.

`rows`: as they are. `panel`: 32 columns of every k next to each other. `pairs`: 32 columns of every two k of a bf16 weight. `vnni`:
AMX tiles of one. `bf16x1-pairs`, `bf16x1`: the same of an fp32 weight, rounded. `bf16x3`: tiles of the rounded weight and of what
rounding left over, panel by panel. `quads`: 32 columns of every four k of an int8 weight, each panel after a row of 32 int32, what
its sums begin with. `vnni8`: AMX tiles of one. The weights of experts lie one after the other, each packed by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

PackedLayout = Literal["rows", "panel", "pairs", "bf16x1-pairs", "vnni", "bf16x1", "bf16x3", "quads", "vnni8"]


def packed_type(shape: Sequence[int], dtype: str, layout: PackedLayout) -> tuple[tuple[int, ...], str]:
    """The shape and dtype of a weight [N, K] or [E, N, K] once packed."""
    *experts, n, k = shape
    panels, blocks = -(-n // 32), -(-k // 32)
    tile, pairs = (2, 16, 16, 2), (panels, -(-k // 2), 32, 2)
    packed, dtype = {
        "rows": ((n, k), dtype),
        "panel": ((panels, k, 32), dtype),
        "pairs": (pairs, dtype),
        "bf16x1-pairs": (pairs, "bfloat16"),
        "vnni": ((panels, blocks, *tile), dtype),
        "bf16x1": ((panels, blocks, *tile), "bfloat16"),
        "bf16x3": ((panels, 2, blocks, *tile), "bfloat16"),
        "quads": ((panels, 1 + -(-k // 4), 32, 4), "int8"),
        "vnni8": ((panels, -(-k // 64), 2, 16, 16, 4), "int8"),
    }[layout]
    return (*experts, *packed), dtype


def pack(weight: torch.Tensor, layout: PackedLayout) -> torch.Tensor:
    """A weight [N, K] or [E, N, K] in a packed layout: a contiguous copy, padded with zeros. Raises ValueError for another rank."""
    import torch
    import torch.nn.functional as F

    if weight.dim() == 3:
        return torch.stack([pack(expert, layout) for expert in weight])
    if weight.dim() != 2:
        raise ValueError(f"a packed weight is [N, K] or [E, N, K], not {tuple(weight.shape)}")
    n, k = weight.shape
    if layout == "rows":
        return weight.contiguous()
    if layout == "panel":
        return F.pad(weight, (0, 0, 0, -n % 32)).view(-1, 32, k).transpose(1, 2).contiguous()
    if layout == "pairs":
        return _groups(weight, 2)
    if layout == "vnni":
        return _tiles(weight, 2)
    if layout == "quads":
        correction = F.pad(-128 * weight.sum(1, dtype=torch.int32), (0, -n % 32)).view(-1, 1, 32, 1)
        return torch.cat([correction.view(torch.int8), _groups(weight, 4)], 1)
    if layout == "vnni8":
        return _tiles(weight, 4)
    high = weight.bfloat16()
    if layout == "bf16x1-pairs":
        return _groups(high, 2)
    if layout == "bf16x1":
        return _tiles(high, 2)
    return torch.stack([_tiles(high, 2), _tiles((weight - high.float()).bfloat16(), 2)], 1)


def _groups(weight: torch.Tensor, per: int) -> torch.Tensor:
    import torch.nn.functional as F

    n, k = weight.shape
    padded = F.pad(weight, (0, -k % per, 0, -n % 32))
    return padded.view(-1, 32, padded.shape[1] // per, per).transpose(1, 2).contiguous()


def _tiles(weight: torch.Tensor, per: int) -> torch.Tensor:
    import torch.nn.functional as F

    n, k = weight.shape
    padded = F.pad(weight, (0, -k % (16 * per), 0, -n % 32))
    blocks = padded.shape[1] // (16 * per)
    return padded.view(-1, 2, 16, blocks, 16, per).permute(0, 3, 1, 4, 2, 5).contiguous()
