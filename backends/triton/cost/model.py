"""How long a kernel should take on a target.

A launch takes as long as the slowest of: its traffic to DRAM, its traffic to L2, and the arithmetic of the SM that has most
tiles; and the time to start. Nothing is measured: the constants are published, or stated where they stand. Good for ranking
tiles and for telling what binds a kernel, not for the last 20 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from ...nvidia.occupancy import occupancy
from ...nvidia.target import WARP, GpuTarget
from .arithmetic import Arithmetic
from .memory import in_flight, traffic
from .tiling import DEFAULT, Candidate, Tiling
from .work import Work

Bound = Literal["memory", "tensor", "issue"]

LAUNCH = 2e-6
"""Seconds from a kernel's end to the next one's start within a CUDA graph, first and last tile included."""
LATENCY = 0.8e-6
"""Seconds until bytes from DRAM arrive, under load (0.5 to 0.6 without; Luo et al., arXiv 2402.13499)."""
DRAM_REACHED = 0.92  # of the data sheet's rate, by kernels that only copy
L2_REACHED = 0.6  # 9.3 TB/s on H100: 718 TFLOP/s with tiles of 128x256 (Tawa) take 8.4
L2_LATENCY = 0.6e-6
"""Seconds until an operand's tile is in shared memory; and until a descriptor is in memory, which is not published: it is
written and fenced by a block that waits for it."""
TURN = 64  # clocks of barriers and addresses in each turn of a product's loop
L2_PORT = 64  # bytes a clock from L2 to one SM


@dataclass(frozen=True)
class Prediction:
    """`seconds` of one call, all launches. `light`: what its useful FLOPs or its distinct bytes take at the data sheet's
    rates, whichever is longer. `memory` (DRAM, L2 and shared), `tensor`, `issue`: seconds of each if it were alone.

    `registers` a thread and `shared` bytes a block are estimates; `blocks` an SM is 0 where a block does not fit.
    """

    seconds: float
    light: float
    memory: float
    tensor: float
    issue: float
    flops: float
    dram_bytes: float
    programs: int
    registers: int
    shared: int
    blocks: int

    @property
    def bound(self) -> Bound:
        parts: dict[Bound, float] = {"memory": self.memory, "tensor": self.tensor, "issue": self.issue}
        return max(parts, key=parts.__getitem__)

    @property
    def speed_of_light(self) -> float:
        """The fraction of it that is reached; at most 1."""
        return self.light / self.seconds


def predict(work: Work, target: GpuTarget, candidate: Candidate | None = None, precision: str = "ieee") -> Prediction:
    """Of one call of the kernel; without a candidate, with the tiles that it was formed with.

    Where a kernel has products, walks without any keep their tiles. `precision`: of f32 products.
    """
    products = any(walk.products for phase in work.phases for walk in phase)
    launches = [
        _launch(
            [Tiling(w, candidate if w.products or not products else None) for w in phase], candidate, target, precision
        )
        for phase in work.phases
    ]
    return Prediction(
        seconds=sum(p.seconds for p in launches),
        light=sum(p.light for p in launches),
        memory=sum(p.memory for p in launches),
        tensor=sum(p.tensor for p in launches),
        issue=sum(p.issue for p in launches),
        flops=sum(p.flops for p in launches),
        dram_bytes=sum(p.dram_bytes for p in launches),
        programs=sum(p.programs for p in launches),
        registers=max(p.registers for p in launches),
        shared=max(p.shared for p in launches),
        blocks=min(p.blocks for p in launches),
    )


def _launch(tilings: Sequence[Tiling], candidate: Candidate | None, target: GpuTarget, precision: str) -> Prediction:
    choice = candidate.choice if candidate else DEFAULT
    parts = [Arithmetic(t, choice, target, precision) for t in tilings]
    registers, shared = max(p.registers() for p in parts), max(p.shared() for p in parts)
    blocks = occupancy(target, threads=choice.num_warps * WARP, registers=registers, shared=shared).blocks
    walks = choice.persistent and len(tilings) == 1 and bool(tilings[0].walk.products)
    resident = 1 if walks else max(blocks, 1)  # what does not fit has a time too: it is ranked, then refused
    programs = sum(t.programs for t in tilings)

    def busiest(seconds: Sequence[float]) -> float:
        """Seconds of the SM that has most tiles, each walk's tile taking its `seconds`."""
        total = sum(t.programs * s for t, s in zip(tilings, seconds, strict=True))
        return total / programs * ceil(programs / target.sms)

    tensor = busiest([p.tensor_seconds() for p in parts])
    shared_memory = busiest([p.shared_seconds() for p in parts])
    turns = busiest([p.turns() for p in parts])
    inside = busiest([p.issue_seconds(inside=True) for p in parts])
    outside = busiest([p.issue_seconds(inside=False) for p in parts])
    main = _overlapped(
        max(tensor, shared_memory), inside, resident * choice.num_warps / 4
    )  # four warps multiply at once
    main = max(main + turns * TURN / target.clock / resident, turns * L2_LATENCY / (resident * parts[0].ahead))
    arithmetic = _overlapped(main, outside, resident)
    moved = [traffic(t, target, target.sms * resident) for t in tilings]
    dram, l2, distinct = (sum(n) for n in zip(*((m.dram, m.l2, m.distinct) for m in moved), strict=True))
    pipelined = any(t.walk.products for t in tilings) and parts[0].buffers > 1
    asked = max(in_flight(t, parts[0].buffers if pipelined else 1) for t in tilings)
    starts = 1 if walks else ceil(programs / (target.sms * resident))
    filling = LATENCY + L2_LATENCY * len(set[int]().union(*(p.descriptors() for p in parts)))
    ports = L2_PORT * target.clock * min(programs, target.sms)
    under_way = asked * min(programs, target.sms * resident) / LATENCY
    memory = max(dram / (DRAM_REACHED * target.dram_bytes), l2 / min(L2_REACHED * target.l2_bytes, ports, under_way))
    useful = [(part.peak(dtype), n) for part in parts for dtype, n in part.flops().items()]
    return Prediction(
        seconds=LAUNCH + starts * filling + _overlapped(memory, arithmetic, float("inf") if pipelined else resident),
        light=max(sum(n / peak for peak, n in useful), distinct / target.dram_bytes),
        memory=max(memory, shared_memory),
        tensor=tensor,
        issue=inside + outside,
        flops=sum(n for _, n in useful),
        dram_bytes=dram,
        programs=programs,
        registers=registers,
        shared=shared,
        blocks=blocks,
    )


def _overlapped(a: float, b: float, ways: float) -> float:
    """Seconds of two activities of which `ways` independent parties each do both: all hidden for many, none for one."""
    return max(a, b) + min(a, b) / max(ways, 1.0)
