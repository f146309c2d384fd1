"""Small models whose weights compilers like to pack, fold or share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F


class Normed(nn.Module):
    """Norms before linears, whose weights compilers like to fold."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(24), nn.RMSNorm(24)
        self.up, self.down = nn.Linear(24, 40), nn.Linear(20, 24, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate, up = self.up(self.first(x)).chunk(2, -1)
        return self.second(x + self.down(F.silu(gate) * up))


class Tied(nn.Module):
    """An embedding that is the head, too."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.inner = nn.Embedding(24, 24), nn.Linear(24, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(torch.tanh(self.inner(x + self.embedding.weight[0])), self.embedding.weight)


class Adapted(nn.Module):
    """A linear with a low-rank adapter and a scale in a buffer."""

    scale: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.base, self.a, self.b = nn.Linear(24, 24), nn.Linear(24, 4, bias=False), nn.Linear(4, 24, bias=False)
        self.register_buffer("scale", torch.tensor(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.base(x) + self.b(self.a(x)) * self.scale


class Attended(nn.Module):
    """Attention of packed projections."""

    def __init__(self) -> None:
        super().__init__()
        self.packed, self.out = nn.Linear(24, 72), nn.Linear(24, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (part.unflatten(-1, (3, 8)).transpose(1, 2) for part in self.packed(x).chunk(3, -1))
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


def _stack() -> nn.Module:
    return nn.Sequential(
        nn.Linear(24, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 24)
    )


def convolved() -> nn.Module:
    return nn.Sequential(nn.Conv1d(5, 5, 3, padding=1), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(24, 24))


MODELS: tuple[Callable[[], nn.Module], ...] = (Normed, Tied, Adapted, Attended, _stack, convolved)
