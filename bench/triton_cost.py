"""What the cost model predicts for one Llama-3-8B layer: `python -m warpweave.bench.triton_cost`.

Prefill of 2048 tokens, and decoding with 1, 16 and 128 sequences at a context of 2048, bf16, on each device that is named
(`h100 h200` where none is). Needs no GPU and no Triton.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from ..backends.nvidia.target import GpuTarget, target_of
from ..backends.triton.cost.choose import Ranked, rank
from ..backends.triton.cost.reading import works_of
from ..backends.triton.cost.work import Work
from ..frontend.weave.errors import Source
from ..frontend.weave.lower import lower
from ..frontend.weave.parse import parse
from ..ir import tile
from ..ir.ledger import Ledger
from ..passes.pipeline import to_fused, to_tiles

CONTEXT = 2048
LAYER = """
block layer(
  x: bf16[B, {S}, D=4096],
  attention_norm: weight bf16[D],
  wq: weight bf16[4096, D],
  wk: weight bf16[1024, D],
  wv: weight bf16[1024, D],
  wo: weight bf16[D, 4096],
  mlp_norm: weight bf16[D],
  gate: weight bf16[F=14336, D],
  up: weight bf16[F, D],
  down: weight bf16[D, F],
  next_norm: weight bf16[D],
  next: weight bf16[4096, D],
  cos: bf16[1, {S}, d=128],
  sin: bf16[1, {S}, d],
  positions: i64[{S}],
  position: i64[],
  keys: cache bf16[B, L, 8, d],
  values: cache bf16[B, L, 8, d],
) -> (bf16[B, {S}, D], bf16[B, {S}, 4096], bf16[B, L, 8, d], bf16[B, L, 8, d]) {{
  h = rms_norm(x, attention_norm, eps=1e-5)
  q = rope(reshape(linear(h, wq), [B, {S}, 32, d]), cos, sin)
  k = kv_append(keys, rope(reshape(linear(h, wk), [B, {S}, 8, d]), cos, sin), positions)
  v = kv_append(values, reshape(linear(h, wv), [B, {S}, 8, d]), positions)
  a = attention(q, k, v, mask=key <= query + position)
  x1 = x + linear(reshape(a, [B, {S}, 4096]), wo)
  m = rms_norm(x1, mlp_norm, eps=1e-5)
  x2 = x1 + linear(silu(linear(m, gate)) * linear(m, up), down)
  return x2, linear(rms_norm(x2, next_norm, eps=1e-5), next), k, v
}}
"""
"""With what surrounds a layer: the first kernel makes the statistics that the layer before would leave; the last one is the
next layer's first, for which this layer leaves them."""


@dataclass(frozen=True)
class Shape:
    """`sequences` of `tokens` new tokens each, with `context` tokens in the cache in the end."""

    name: str
    sequences: int
    tokens: int
    context: int = CONTEXT


SHAPES = (
    Shape("prefill 2048", 1, 2048),
    Shape("decode 1", 1, 1),
    Shape("decode 16", 16, 1),
    Shape("decode 128", 128, 1),
)


def module_of(shape: Shape) -> ModuleOp:
    """The layer as tile kernels: for prefill any number of tokens, for decoding one."""
    source = Source("layer", LAYER.format(S="S" if shape.tokens > 1 else "1"))
    module = lower(parse(source.text, source.name), source)
    to_fused(module, Ledger())
    to_tiles(module, Ledger())
    return module


def works(module: ModuleOp, shape: Shape, target: GpuTarget) -> list[Work]:
    """The work of each kernel that the layer launches itself."""
    sizes = {"B": shape.sequences, "S": shape.tokens, "L": shape.context, tile.NUM_THREADS: target.sms}
    return works_of(module, sizes, position=shape.context - shape.tokens)[1:-1]


def rows(targets: Sequence[GpuTarget], ledger: Ledger) -> list[dict[str, Any]]:
    """One row a device, shape and kernel: the best candidate, and what it is predicted to take."""
    return [
        {"device": target.device, "shape": shape.name, "kernel": work.name, **_row(rank(work, target, ledger)[0])}
        for shape in SHAPES
        for module in (module_of(shape),)
        for target in targets
        for work in works(module, shape, target)
    ]


def _row(best: Ranked) -> dict[str, Any]:
    found = asdict(best.prediction)
    derived = {"bound": best.prediction.bound, "speed_of_light": best.prediction.speed_of_light}
    return {"tiles": str(best.candidate), **found, **derived}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """As Markdown, with the whole layer's time after its kernels."""
    lines = [
        "| device | shape | kernel | tiles | us | bound | of light | TFLOP/s | TB/s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["device"], row["shape"]), []).append(row)
    for (device, shape), of in sorted(groups.items(), key=lambda item: item[0][0]):
        for row in of:
            us, rates = row["seconds"] * 1e6, (row["flops"], row["dram_bytes"])
            flops, moved = (n / row["seconds"] / 1e12 for n in rates)
            lines.append(
                f"| {device} | {shape} | {row['kernel']} | {row['tiles']} | {us:.1f} | {row['bound']} "
                f"| {row['speed_of_light']:.2f} | {flops:.0f} | {moved:.2f} |"
            )
        seconds, light = (sum(row[name] for row in of) for name in ("seconds", "light"))
        lines.append(f"| {device} | {shape} | **layer** |  | {seconds * 1e6:.1f} |  | {light / seconds:.2f} |  |  |")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> None:
    """Names of devices; `--json FILE` keeps the rows."""
    names, path = (argv[: argv.index("--json")], argv[argv.index("--json") + 1]) if "--json" in argv else (argv, "")
    found = rows([target_of(name) for name in names or ("h100", "h200")], Ledger())
    if path:
        Path(path).write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main(sys.argv[1:])
