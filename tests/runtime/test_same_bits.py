"""Same bits: from run to run, on one to four threads, and for a row whatever batch it is in, in fp32 and bf16.

Kernels: products with ragged columns and depth in one and several blocks of rows, norms, softmaxes, maps, sums of rows,
attention in prefill, and in decode with keys enough to be split over threads.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F

import warpweave
from warpweave.runtime import team

HEADS, SIZE, WIDTH, ROWS = 3, 16, 129, 5
DYNAMIC = torch.export.Dim.DYNAMIC


class Block(torch.nn.Module):
    """Returns what each of its kernels computes."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.wide = torch.nn.LayerNorm(WIDTH), torch.nn.Linear(WIDTH, 96)
        self.narrow = torch.nn.Linear(96, 31, bias=False)
        self.qkv = torch.nn.Linear(WIDTH, 3 * HEADS * SIZE)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        normed = self.norm(x)
        wide = F.gelu(self.wide(normed))
        narrow = self.narrow(wide)
        q, k, v = self.qkv(x).view(x.shape[0], -1, 3, HEADS, SIZE).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return {
            "norm": normed, "wide": wide, "narrow": narrow, "softmax": torch.softmax(narrow, -1), "map": torch.tanh(x) * x,
            "sum": x.sum(-1), "attention": attended,
        }  # fmt: skip


class Decode(torch.nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"decode": F.scaled_dot_product_attention(q, k, v)}


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Up to four, however many CPUs there are."""
    monkeypatch.setattr(team, "_cpus", lambda: 4)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def compiled(model: torch.nn.Module, args: tuple[torch.Tensor, ...], *shapes: dict[int, object]):
    program = warpweave.compile(torch.export.export(model, args, dynamic_shapes=shapes))
    assert program.report["fallbacks"] == []
    return program


def check(program, args: tuple[torch.Tensor, ...]) -> None:
    torch.set_num_threads(1)
    wanted = program(*args)
    for count in (1, 2, 3, 4):
        torch.set_num_threads(count)
        for _ in range(2):
            same(program(*args), wanted, f"{count} threads")
    for count, (first, end) in ((1, (0, 1)), (2, (2, 5)), (3, (4, 5)), (4, (1, 3))):
        torch.set_num_threads(count)
        alone = program(*(a[first:end].clone() for a in args))
        same(alone, {name: w[first:end] for name, w in wanted.items()}, f"rows {first}:{end}, {count} threads")


def same(got: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], where: str) -> None:
    differ = [name for name, want in wanted.items() if not torch.equal(got[name], want)]
    assert not differ, f"{where}: other bits in {', '.join(differ)}"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_kernels_of_a_block(threads: None, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = Block().to(dtype).eval()
    program = compiled(model, (torch.randn(3, 7, WIDTH, dtype=dtype),), {0: DYNAMIC, 1: DYNAMIC})
    for length in (1, 2, 33, 150):
        check(program, (torch.randn(ROWS, length, WIDTH, dtype=dtype),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_decode_with_split_keys(threads: None, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    batch, keys = torch.export.Dim("batch"), torch.export.Dim("keys", min=2)

    def drawn(length: int) -> tuple[torch.Tensor, ...]:
        return tuple(torch.randn(ROWS, HEADS, n, SIZE, dtype=dtype) for n in (1, length, length))

    program = compiled(Decode(), drawn(9), {0: batch}, {0: batch, 2: keys}, {0: batch, 2: keys})
    for length in (2, 300, 1500):
        check(program, drawn(length))
