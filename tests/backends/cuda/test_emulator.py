"""What the emulator says: each kind of finding that no mutant of the samples shows, in words; deadlocks; the timeline."""

import json

import numpy as np
import pytest

from emulated import SAMPLES, kernel, run, source
from warpweave.backends.cuda.emulate import EmulatedKernel, schedules
from warpweave.backends.cuda.source import HEADERS, PointerParameter
from warpweave.runtime.errors import ArgumentError
from warpweave.runtime.host_arrays import numpy_dtype

WRITTEN = (("x", "float32", (64,), False), ("out", "float32", (64,), True))
POINTERS = (PointerParameter("x"), PointerParameter("out"))


def findings(body: str, threads: int = 128, shared: int = 4096, **how):
    text = f'extern "C" WW_KERNEL({threads}, 1) k(const float* x, float* out) {{\n{body}\n}}\n'
    arrays = {"x": np.ones(64, np.float32), "out": np.zeros(64, np.float32)}
    made = EmulatedKernel(source(text, WRITTEN, POINTERS, threads=threads, shared=shared))
    return made.run(arrays, {}, **how).findings


BODIES = {
    "read-only-written": "if (ww::thread_index() == 0) ww::store_global(const_cast<float*>(x), 1.0f);",
    "shared-out-of-bounds": "if (ww::thread_index() == 0) ww::store_shared(ww::shared_memory() + 4096, 1.0f);",
    "misaligned": "if (ww::thread_index() == 0) ww::store_shared(ww::shared_memory() + 2, 1.0f);",
    "copies-not-waited": "if (ww::thread_index() == 0) ww::copy_async(ww::shared_memory(), x, 16);",
    "race-write-after-write": "ww::store_shared(ww::shared_memory(), 1.0f);",
    "global-race": "ww::store_global(out, 1.0f);",
    "wgmma-diverged": "float d[32]; ww::wgmma_fence(); for (int i = 0; i < 128; ++i) if (ww::thread_index() == i)"
    " for (int j = 0; j < 4; ++j) ww::store_shared(ww::shared_memory() + 16 * i + 4 * j, 0.0f);"
    " ww::fence_proxy_async(); ww::block_sync(); const uint64_t a = ww::k_major(ww::Swizzle::none, ww::shared_memory());"
    " ww::wgmma<ww::bf16, 64>(d, a, a, ww::thread_index() < 64); ww::wgmma_commit(); ww::wgmma_wait<0>();",
    "wgmma-descriptor": "float d[32]; ww::wgmma_fence(); const uint64_t a = uint64_t(1) << 49;"
    " ww::wgmma<ww::bf16, 64>(d, a, a, false); ww::wgmma_commit(); ww::wgmma_wait<0>();",
    "copy-left": "const uint32_t b = ww::shared_memory(); if (ww::thread_index() == 0) { ww::mbarrier_init(b, 1);"
    " ww::mbarrier_arrive_expect(b, 64); }",
    "parity": "const uint32_t b = ww::shared_memory(); if (ww::thread_index() == 0) { ww::mbarrier_init(b, 1);"
    " ww::mbarrier_arrive(b); ww::mbarrier_arrive(b); ww::mbarrier_arrive(b); ww::mbarrier_wait(b, 0); }",
    "diverged": "if (ww::lane_index() < 16) ww::warp_sync(); else ww::shuffle_xor(1.0f, 1);",
    "livelock": "if (ww::warp_index() == 0) for (;;) ww::warp_sync();",
}  # fmt: skip


@pytest.mark.parametrize("kind", BODIES)
def test_each_kind_is_found(kind):
    assert kind in {f.kind for f in findings(BODIES[kind])}


def test_every_kind_has_a_test_or_a_mutant():
    from cuda_mutants import MUTANTS

    text = (HEADERS / "twin" / "findings.cpp").read_text()
    kinds = {line.split('"')[1] for line in text.splitlines() if line.startswith('    {"')}
    assert len(kinds) == 31
    assert kinds - set(BODIES) - {kind for m in MUTANTS for kind in m.shows} == set()


def test_a_finding_names_lines_the_reason_and_what_to_do():
    body = """const uint32_t s = ww::shared_memory();
if (ww::thread_index() == 5) ww::store_shared(s, 1.0f);

if (ww::thread_index() == 9) ww::store_global(out, ww::load_shared<float>(s));"""
    (found,) = findings(body, schedule="fifo")
    assert (found.kind, found.block, found.line, found.other_line) == ("race-read-after-write", 0, 6, 4)
    assert found.message == "load_shared reads shared +0x0, not ordered after the write at line 4"
    assert found.next == "wait for the barrier that the writer arrives at before reading"


def test_a_deadlock_says_who_waits_where():
    body = """const uint32_t b = ww::shared_memory();
if (ww::thread_index() == 0) { ww::mbarrier_init(b, 2); ww::label(b, "full", 0); ww::fence_mbarrier_init(); }
ww::block_sync();
ww::role(ww::warp_index() < 2 ? "load" : "math");
if (ww::thread_index() == 0) ww::mbarrier_arrive_expect(b, 512);
if (ww::warp_index() == 3) ww::mbarrier_wait(b, 0);
if (ww::warp_index() == 1) ww::named_barrier_sync(3, 64);"""
    (found,) = findings(body)
    assert found.kind == "deadlock"
    assert found.message == (
        "nothing can run: 32 threads of warp 1 (load) for named barrier 3 of 64 threads, line 9;"
        " 32 threads of warp 3 (math) for mbarrier full[0], parity 0, line 8;"
        " full[0] is in phase 0, lacks 1 of 2 arrivals and 512 bytes;"
    )


def test_the_seed_decides_everything():
    sample = SAMPLES["gemm_bias_gelu"]
    steps = [run(sample, sample.sizes[1], schedule=schedule, seed=seed)[0].steps
             for schedule in ("random", "priority") for seed in (1, 1, 2)]  # fmt: skip
    assert steps[0] == steps[1] != steps[2]
    assert steps[3] == steps[4] != steps[5]


def test_the_timeline_shows_roles_and_engines():
    sample = SAMPLES["gemm_bias_gelu"]
    emulation, _ = run(sample, sample.sizes[-1], timeline=True, sms=1)
    events = json.loads(emulation.timeline)["traceEvents"]
    tracks = {e["args"]["name"] for e in events if e["ph"] == "M"}
    assert {"TMA load", "TMA store", "wgmma", "warp 0 (load)", "warp 4 (math)", "warp 11 (math)"} <= tracks
    spans = [e for e in events if e["ph"] == "X"]
    assert all(e["dur"] >= 0 and 0 <= e["ts"] <= emulation.steps for e in spans)
    lines = sample.source.text.splitlines()
    assert {"tma_load" in lines[e["args"]["line"] - 1] for e in spans if e["name"] == "TMA load"} == {True}
    assert run(sample, sample.sizes[1])[0].timeline == ""


def test_arrays_and_schedules_that_do_not_fit_are_refused():
    emulated, sizes = kernel("gemm_bias_gelu"), {"M": 8, "N": 8, "K": 8}
    with pytest.raises(ArgumentError, match=r"No contiguous bfloat16 array of shape \[8, 8\] for a"):
        emulated.run({}, sizes)
    arrays = {b.name: np.zeros([8] * len(b.shape or ()), numpy_dtype(b.dtype)) for b in emulated.launch.buffers}
    with pytest.raises(ArgumentError, match="No schedule is called slow"):
        emulated.run(arrays, sizes, schedule="slow")
    with pytest.raises(ArgumentError, match="No value for K"):
        emulated.run({}, {"M": 8, "N": 8})
    assert len(schedules()) >= 5


def test_arrivals_at_a_named_barrier_do_not_wait():
    """Ping-pong: one warp is told by another, which goes on."""
    body = """const uint32_t s = ww::shared_memory();
if (ww::warp_index() == 0) { ww::store_shared(s + 4 * ww::lane_index(), 3.0f); ww::named_barrier_arrive(1, 64); }
else { ww::named_barrier_sync(1, 64);
  ww::store_global(out + ww::lane_index(), ww::load_shared<float>(s + 4 * ww::lane_index())); }"""
    for schedule in schedules():
        assert findings(body, threads=64, schedule=schedule) == ()
    unordered = body.replace("ww::named_barrier_sync(1, 64);", "").replace("ww::named_barrier_arrive(1, 64);", "")
    assert {f.kind for s in ("lifo", "fifo") for f in findings(unordered, threads=64, schedule=s)} >= {
        "race-read-after-write"
    }
