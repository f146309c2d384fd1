"""Programs as warp-specialised pipelines: passes, checks, printed CUDA, and the emulator against the tile reference."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from xdsl.dialects.builtin import ModuleOp

from cpu_kernels import assert_close
from emulated import as_array, as_tensor
from warpweave.backends.cuda.emit import emit
from warpweave.backends.cuda.emit.context import FAULT
from warpweave.backends.cuda.emulate import EmulatedKernel
from warpweave.bench.programs import ROUNDED, error_of
from warpweave.frontend.weave.errors import Source
from warpweave.frontend.weave.lower import lower
from warpweave.frontend.weave.parse import parse
from warpweave.ir import aref, reference_aref, tile
from warpweave.ir.aref.limits import limits_of
from warpweave.ir.ledger import Ledger
from warpweave.ir.reference_tile import run_kernel
from warpweave.ir.testing import Inputs, draw, run
from warpweave.passes import pipeline
from warpweave.passes.warps.shapes import TARGETS

HOPPER, AMPERE = "sm_90a", "sm_80"
GOLDEN = Path(__file__).parent / "golden"


def decode(heads: int, kv_heads: int, size: int) -> str:
    shape = f"bf16[B, L, {kv_heads}, {size}]"
    return f"""
block decode(q: bf16[B, 1, {heads}, {size}], k: {shape}, v: {shape}, position: i64[]) -> bf16[B, 1, {heads}, {size}] {{
  return attention(q, k, v, mask=key <= query + position)
}}"""


PROGRAMS: dict[str, str] = {
    **{
        name: (GOLDEN / f"{name}.weave").read_text()
        for name in ("gemm", "gemm_swiglu", "gemm_residual_norm", "gemm_qkv_rope_append")
    },
    "gemm_qkv_of_equal_tiles": """
block qkv(
  x: bf16[B, S, D=64], wq: weight bf16[256, D], wk: weight bf16[128, D], wv: weight bf16[128, D],
  cos: bf16[1, S, d=64], sin: bf16[1, S, d], positions: i64[S], keys: cache bf16[B, L, 2, d], values: cache bf16[B, L, 2, d],
) -> (bf16[B, S, 4, d], bf16[B, L, 2, d], bf16[B, L, 2, d]) {
  q = rope(reshape(linear(x, wq), [B, S, 4, d]), cos, sin)
  k = rope(reshape(linear(x, wk), [B, S, 2, d]), cos, sin)
  v = reshape(linear(x, wv), [B, S, 2, d])
  return q, kv_append(keys, k, positions), kv_append(values, v, positions)
}""",
    "gemm_bias_gelu": """
block mlp_up(x: bf16[B, S, K=72], w: weight bf16[N=152, K], bias: weight bf16[N]) -> bf16[B, S, N] {
  return gelu(linear(x, w, bias))
}""",
    "attention_causal_64": """
block a(q: bf16[B, S, 4, 64], k: bf16[B, L, 2, 64], v: bf16[B, L, 2, 64]) -> bf16[B, S, 4, 64] {
  return attention(q, k, v, causal=true)
}""",
    "attention_128": """
block a(q: bf16[B, S, 4, 128], k: bf16[B, L, 2, 128], v: bf16[B, L, 2, 128]) -> bf16[B, S, 4, 128] {
  return attention(q, k, v)
}""",
    "gemm_relu_f16": """
block layer(x: f16[M, K=320], w: weight f16[N=64, K]) -> f16[M, N] {
  return relu(linear(x, w)) + 1
}""",
    "attention_groups3": """
block a(q: bf16[B, S, 6, 64], k: bf16[B, L, 2, 64], v: bf16[B, L, 2, 64]) -> bf16[B, S, 6, 64] {
  return attention(q, k, v, causal=true)
}""",
    "decode_groups1": decode(heads=2, kv_heads=2, size=64),
    "decode_groups3": decode(heads=6, kv_heads=2, size=64),
    "decode_groups4": decode(heads=8, kv_heads=2, size=128),
    "decode_groups8": decode(heads=8, kv_heads=1, size=64),
}  # fmt: skip
"""GEMMs with every kind of epilogue, of sizes that are no multiples of a tile; attention over a prompt; one query over a cache,
of which it sees the keys up to its position."""
ANY_DEPTH = "matmul_any_depth"
PAIRS = "gemm_of_pairs"
OTHERS = {
    ANY_DEPTH: """
block scores(a: bf16[M, K], b: bf16[K, N]) -> bf16[M, N] {
  return matmul(a, b)
}""",
    PAIRS: """
block layer(x: bf16[M, K=70], w: weight bf16[N=64, K]) -> bf16[M, N] {
  return linear(x, w)
}""",
}
"""Programs of single tests."""


PROMPTS = [name for name in PROGRAMS if not name.startswith("decode")]
"""Those that need no position in a cache."""
SYMBOLS = {
    "gemm_relu_f16": {"M": 130},
    "gemm_qkv_rope_append": {"B": 2, "S": 67, "L": 80},
    "gemm_qkv_of_equal_tiles": {"B": 2, "S": 67, "L": 80},
    "attention_causal_64": {"B": 1, "S": 97, "L": 97},
    "attention_128": {"B": 1, "S": 33, "L": 150},
    "attention_groups3": {"B": 1, "S": 50, "L": 101},
}


def launches(name: str, target: str = HOPPER) -> int:
    """How many a program of `PROMPTS` takes; Q, K and V are one on sm_90a."""
    apart = {"gemm_qkv_rope_append": 3, "gemm_qkv_of_equal_tiles": 3} if target == AMPERE else {}
    return {"gemm_residual_norm": 2, **apart}.get(name, 1)


def sizes(name: str) -> dict[str, int]:
    """What a program is run with."""
    return SYMBOLS.get(name, {"B": 2, "S": 97})


def formed(name: str, target: str = HOPPER) -> ModuleOp:
    """The tile module of a program, with the tiles of a GPU."""
    source = Source(f"{name}.weave", {**PROGRAMS, **OTHERS}[name])
    module = lower(parse(source.text, source.name), source)
    pipeline.to_fused(module, Ledger())
    pipeline.to_tiles(module, Ledger(), shapes=TARGETS[target])
    return module


def specialised(name: str, target: str = HOPPER) -> tuple[ModuleOp, Ledger]:
    """The same module, its GEMMs split into roles."""
    module, ledger = formed(name, target), Ledger()
    pipeline.to_roles(module, ledger, target=target)
    return module, ledger


def split_kernels(module: ModuleOp) -> list[tile.KernelOp]:
    """The kernels that have roles."""
    kernels = [op for op in module.ops if isinstance(op, tile.KernelOp)]
    return [kernel for kernel in kernels if any(isinstance(op, aref.RoleOp) for op in kernel.walk())]


@functools.cache
def split(name: str, target: str = HOPPER) -> dict[str, tile.KernelOp]:
    """The kernels with roles, by name."""
    module, _ = specialised(name, target)
    return {kernel.sym_name.data: kernel for kernel in split_kernels(module)}


@functools.cache
def emulated(name: str, target: str = HOPPER) -> dict[str, list[EmulatedKernel]]:
    """By the name of the tile kernel: its launches, compiled for the emulator."""
    module, _ = specialised(name, target)
    pipeline.to_barriers(module, Ledger())
    return {
        kernel.sym_name.data: [EmulatedKernel(source) for source in emit(kernel, limits_of(target))]
        for kernel in split_kernels(module)
    }


def captured(
    name: str, symbols: Mapping[str, int], seed: int, target: str = HOPPER
) -> tuple[tile.KernelOp, list[torch.Tensor], Mapping[str, int]]:
    """The program's first kernel with roles, and what it is launched with."""
    found: list[tuple[tile.KernelOp, list[torch.Tensor], Mapping[str, int]]] = []

    def launch(kernel: tile.KernelOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], _: torch.dtype) -> None:
        if kernel.sym_name.data in split(name, target):
            found.append((kernel, [b.clone() for b in buffers], dims))
        run_kernel(kernel, buffers, dims, torch.float64)

    run(formed(name, target), draw(formed(name, target), seed, dict(symbols)), torch.float32, launch)
    return found[0]


def check(
    name: str,
    symbols: Mapping[str, int],
    *,
    schedule: str,
    seed: int,
    sms: int = 2,
    position: int | None = None,
    target: str = HOPPER,
) -> int:
    """Runs the program with its split kernels in the emulator, each of which must find nothing and be right. Their number.

    `position`: of the query in the cache, the program's last argument.
    """
    count = 0

    def launch(
        kernel: tile.KernelOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], compute: torch.dtype
    ) -> None:
        nonlocal count
        for index, _, _ in kernel.lookups:  # rows that are looked up lie in another order than they come in
            positions = buffers[kernel.body.args.index(index)]
            positions.copy_(positions.flip(0))
        launches = emulated(name, target).get(kernel.sym_name.data, [])
        given, single = [b.clone() for b in buffers], [b.clone() for b in buffers]
        run_kernel(kernel, buffers, dims, torch.float64)
        if launches:  # in the arithmetic of roles: what tensor cores multiply is rounded to 16 bits
            made, double = split(name, target)[kernel.sym_name.data], [b.clone() for b in given]
            assert reference_aref.run_kernel(made, single, dims, torch.float32) == []
            reference_aref.run_kernel(made, double, dims, torch.float64)
            for i in (output.data for output in kernel.outputs):  # `single` excuses no wrong roles
                assert error_of(double[i], buffers[i], limit=ROUNDED) <= 1, (
                    f"roles of {kernel.sym_name.data}: buffer {i}"
                )
        arrays = (
            {b.name: as_array(tensor) for b, tensor in zip(launches[0].launch.buffers, given, strict=False)}
            if launches
            else {}
        )
        if any(buffer.name == FAULT for each in launches for buffer in each.launch.buffers):
            arrays[FAULT] = as_array(torch.zeros(3, dtype=torch.int64))
        for each in launches:
            count += 1
            found = each.run(arrays, dims, schedule=schedule, seed=seed, sms=sms).findings
            assert found == (), f"{each.launch.entry} {dict(dims)}\n" + "\n".join(f.message for f in found)
        for i, (array, exact, like) in enumerate(zip(arrays.values(), buffers, single, strict=False)):
            assert_close(as_tensor(array), exact, f"{kernel.sym_name.data} {dict(dims)} buffer {i}", like=like)

    inputs = draw(formed(name, target), seed, dict(symbols))
    if position is not None:
        inputs = Inputs((*inputs.arguments[:-1], torch.tensor(position)), inputs.symbols)
    run(formed(name, target), inputs, torch.float32, launch)
    return count
