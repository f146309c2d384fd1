"""Facts of the targets against each other, and occupancy against NVIDIA's own numbers."""

import pytest

from warpweave.backends.nvidia.occupancy import occupancy
from warpweave.backends.nvidia.target import A100, B200, DEVICES, H100, H200, TARGETS, target_of

# FLOP of one SM's tensor cores in a clock, by the architecture papers.
BF16_PER_CLOCK = {"sm_80": 2048, "sm_90": 4096, "sm_100": 8192}


@pytest.mark.parametrize("target", DEVICES.values(), ids=DEVICES)
def test_rates_are_the_clock_times_what_an_sm_does(target):
    per_clock = target.bf16_flops / (target.sms * target.clock)
    assert per_clock == pytest.approx(BF16_PER_CLOCK[target.name], rel=0.01)
    assert target.bf16_flops == pytest.approx(2 * target.tf32_flops)
    assert target.smem_per_sm == target.smem_per_block + target.smem_reserved


def test_targets_by_name():
    assert [target_of(name) for name in ("sm_80", "sm_90", "sm_100")] == [A100, H100, B200]
    assert (H200.name, H200.dram_bytes, H200.sms) == ("sm_90", 4.8e12, 132)
    assert [target.arch for target in (A100, H100, B200)] == [80, 90, 100]
    with pytest.raises(ValueError, match="no GPU target is called 'sm_75'; there are a100, h100, h200, b200, sm_80"):
        target_of("sm_75")
    assert set(DEVICES) < set(TARGETS)


@pytest.mark.parametrize(
    ("threads", "registers", "shared", "blocks", "limit"),
    [
        (256, 32, 0, 8, "warps"),  # 64 warps
        (256, 64, 0, 4, "registers"),  # the calculator's example: half of the warps
        (128, 168, 0, 3, "registers"),  # 5376 registers a warp, 3 warps a partition
        (64, 32, 0, 32, "warps"),
        (32, 32, 0, 32, "blocks"),
        (128, 32, 48 << 10, 4, "shared memory"),  # 49 KiB each with the system's, of 228
        (128, 32, 232448, 1, "shared memory"),
        (128, 32, 232449, 0, "shared memory"),
        (1024, 65, 0, 0, "registers"),
        (128, 256, 0, 0, "registers"),
    ],
)
def test_occupancy_on_h100(threads, registers, shared, blocks, limit):
    held = occupancy(H100, threads=threads, registers=registers, shared=shared)
    assert (held.blocks, held.limit) == (blocks, limit)
    assert held.fraction == pytest.approx(min(blocks * threads / 2048, 1))


def test_tensor_memory_limits_blocks_on_b200():
    held = occupancy(B200, threads=128, registers=64, shared=1024, tensor_columns=256)
    assert (held.blocks, held.limit) == (2, "tensor memory")
