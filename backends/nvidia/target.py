"""What the GPUs that kernels are compiled for can do: published facts, by name.

Sources. Limits of an SM and of a block: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability".
A100: "NVIDIA A100 Tensor Core GPU Architecture" (2020) and the A100 80GB SXM data sheet. A10, L40S: their data sheets.
H100: "NVIDIA H100 Tensor Core GPU Architecture" (2022) and the H100 SXM data sheet. H200: its data sheet; the same GPU with
HBM3e. B200: "NVIDIA Blackwell Architecture Technical Brief" (HGX B200, 1000 W). Rates are dense, at boost clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

KIB = 1024
WARP = 32


@dataclass(frozen=True)
class GpuTarget:
    """A GPU. `name` is the architecture that code is compiled for; several devices share one.

    Sizes in bytes, rates in 1/s. `smem_reserved`: what the system takes beside each block's shared memory.
    `tensor_op`: the instruction of its widest matrix product. `tensor_columns` of tensor memory an SM.
    """

    name: str
    device: str
    arch: int
    sms: int
    clock: float
    smem_per_block: int
    smem_per_sm: int
    l2: int
    l2_bytes: float
    dram_bytes: float
    bf16_flops: float
    tf32_flops: float
    fp32_flops: float
    tensor_op: str
    has_tma: bool
    registers_per_sm: int = 64 * KIB
    max_registers: int = 255
    max_threads_per_sm: int = 2048
    max_blocks_per_sm: int = 32
    smem_reserved: int = KIB
    tensor_columns: int = 0

    @property
    def max_warps_per_sm(self) -> int:
        return self.max_threads_per_sm // WARP


A100 = GpuTarget(
    name="sm_80",
    device="A100 80GB SXM",
    arch=80,
    sms=108,
    clock=1.410e9,
    smem_per_block=163 * KIB,
    smem_per_sm=164 * KIB,
    l2=40 << 20,
    l2_bytes=5120 * 1.410e9,  # "L2 cache read bandwidth 5120 bytes/clk", the A100 paper
    dram_bytes=2.039e12,
    bf16_flops=312e12,
    tf32_flops=156e12,
    fp32_flops=19.5e12,
    tensor_op="HMMA",
    has_tma=False,
)
A10 = replace(
    A100,
    name="sm_86",
    device="A10",
    arch=86,
    sms=72,
    clock=1.695e9,
    smem_per_block=99 * KIB,
    smem_per_sm=100 * KIB,
    l2=6 << 20,
    l2_bytes=72 * 64 * 1.695e9,  # not published: the 64 bytes a clock that an SM takes
    dram_bytes=600e9,
    bf16_flops=125e12,
    tf32_flops=62.5e12,
    fp32_flops=31.2e12,
    max_threads_per_sm=1536,
    max_blocks_per_sm=16,
)
L40S = replace(
    A10,
    name="sm_89",
    device="L40S",
    arch=89,
    sms=142,
    clock=2.520e9,
    l2=96 << 20,
    l2_bytes=142 * 64 * 2.520e9,  # not published: as for the A10
    dram_bytes=864e9,
    bf16_flops=362.05e12,
    tf32_flops=183e12,
    fp32_flops=91.6e12,
    max_blocks_per_sm=24,
)
H100 = GpuTarget(
    name="sm_90",
    device="H100 SXM",
    arch=90,
    sms=132,
    clock=1.830e9,  # at which 132 SMs of 4096 bf16 FLOP a clock give the 989.4e12 of the data sheet
    smem_per_block=227 * KIB,
    smem_per_sm=228 * KIB,
    l2=50 << 20,
    l2_bytes=132 * 64 * 1.830e9,  # not published: the 64 bytes a clock that an SM takes
    dram_bytes=3.35e12,
    bf16_flops=989.4e12,
    tf32_flops=494.7e12,
    fp32_flops=66.9e12,
    tensor_op="HGMMA",
    has_tma=True,
)
H200 = replace(H100, device="H200 SXM", dram_bytes=4.8e12)
B200 = GpuTarget(
    name="sm_100",
    device="B200 SXM",
    arch=100,
    sms=148,
    clock=1.860e9,  # at which 148 SMs of 8192 bf16 FLOP a clock give 2.25e15
    smem_per_block=227 * KIB,
    smem_per_sm=228 * KIB,
    l2=126 << 20,
    l2_bytes=148 * 64 * 1.860e9,  # not published: as for the H100
    dram_bytes=8.0e12,
    bf16_flops=2250e12,
    tf32_flops=1125e12,
    fp32_flops=75e12,
    tensor_op="UTCHMMA",
    has_tma=True,
    tensor_columns=512,
)

DEVICES = {"a100": A100, "h100": H100, "h200": H200, "b200": B200}
TARGETS = {**DEVICES, "sm_80": A100, "sm_90": H100, "sm_100": B200}
"""By device, and by architecture: the device of that architecture which is most common."""


def target_at(architecture: str, device: str) -> GpuTarget:
    """The facts of a GPU by what it says of itself (`sm_90`, `NVIDIA H200`): of that device where they are known, else of
    the most common one with its architecture. Raises ValueError for an architecture that there are no facts of."""
    known = [row for name, row in DEVICES.items() if row.name == architecture and name in device.lower()]
    return known[0] if known else target_of(architecture)


def target_of(name: str) -> GpuTarget:
    """The row of `TARGETS`. Raises ValueError with the names that there are."""
    if name not in TARGETS:
        raise ValueError(f"no GPU target is called {name!r}; there are {', '.join(TARGETS)}")
    return TARGETS[name]
