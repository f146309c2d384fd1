"""Programs on a GPU, which is a double that runs what it is given: numbers, streams, sizes, faults, wrong arguments."""

from __future__ import annotations

import zipfile
from typing import Any

import pytest
import torch
from transformers import StaticCache

import warpweave
from fake_gpu import FakeGpu, gpu
from interpreted import needs_triton
from model_zoo import ZOO, build, inputs
from mutants.edits import edited
from numerics import assert_close_to_float64
from warpweave.runtime.errors import ArgumentError, ForeignKernelError, IndexRangeError

__all__ = ["gpu"]

pytestmark = [needs_triton, pytest.mark.usefixtures("fresh_dynamo")]
LENGTHS = (11, 1, 1)  # a prefill and two steps


def _decoded(call: Any, model: Any, ids: torch.Tensor) -> list[torch.Tensor]:
    """Logits of a prefill and of each step, then the cache's keys and values."""
    cache, found, start = StaticCache(config=model.config, max_cache_len=24), [], 0
    for length in LENGTHS:
        stop = start + length
        positions = torch.arange(start, stop)[None].expand(2, -1)
        found.append(call(input_ids=ids[:, start:stop], past_key_values=cache, position_ids=positions).logits)
        start = stop
    return [*found, cache.layers[0].keys, cache.layers[0].values]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_a_model_decodes(gpu: FakeGpu, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ZOO["llama"].options, "num_hidden_layers", 1)
    model, exact = build("llama", dtype), build("llama", torch.float64)
    ids = inputs("llama", 2, sum(LENGTHS), dtype)["input_ids"]
    before = len(warpweave.reports())
    with torch.no_grad():
        ours = _decoded(torch.compile(model, backend="warpweave"), model, ids)
        eager, truth = _decoded(model, model, ids), _decoded(exact, exact, ids)
    for i, (a, b, c) in enumerate(zip(ours, eager, truth, strict=True)):
        assert_close_to_float64(a, b, c, what=f"output {i}")
    reports = warpweave.reports()[before:]
    assert all(report["error"] is None for report in reports)
    assert {launch.entry for launch in gpu.launched} >= {k["name"] for r in reports for k in r["kernels"]}
    assert {launch.stream for launch in gpu.launched} == {7}
    assert gpu.waits == 0


def test_sizes_are_symbols_and_streams_the_callers(gpu: FakeGpu) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(24, 40), torch.nn.SiLU()).eval()
    before = len(warpweave.reports())
    compiled = torch.compile(model, backend="warpweave", dynamic=True)
    with torch.no_grad():
        for size in (5, 70, 33):
            gpu.current_stream = size
            x = torch.randn(size, 24)
            torch.testing.assert_close(compiled(x), model(x), rtol=1e-5, atol=1e-6)
    assert [launch.stream for launch in gpu.launched] == [5, 70, 33]
    few, most, more = (launch.blocks for launch in gpu.launched)
    assert few < more < most
    x = torch.randn(0, 24)
    with torch.no_grad():
        assert compiled(x).shape == (0, 40)
    assert len(gpu.launched) == 3
    assert all(report["error"] is None for report in warpweave.reports()[before:])


def test_operators_left_to_pytorch_between_launches(gpu: FakeGpu) -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return torch.sort(x * 2 + 1, dim=-1).values.relu() * 3

    x = torch.randn(6, 17)
    compiled = torch.compile(function, backend="warpweave")
    torch.testing.assert_close(compiled(x), function(x), rtol=1e-6, atol=1e-6)
    assert len(gpu.launched) == 2


def _doubled_sums(x: torch.Tensor) -> torch.Tensor:
    return (x[:, 1:] * 2).cumsum(-1)[:, 3:] + 1


def _check_odd() -> None:
    """An argument that begins 4 bytes after where its storage does."""
    odd = torch.randn(6 * 17 + 1)[1:].view(6, 17)
    assert odd.data_ptr() % 16
    program = warpweave.compile(_Function(_doubled_sums), (torch.randn(6, 17),)).program
    torch.testing.assert_close(program([odd])[0], _doubled_sums(odd), rtol=1e-6, atol=1e-6)


def test_what_does_not_lie_on_16_bytes_is_copied(gpu: FakeGpu) -> None:
    _check_odd()


def test_a_mutant_that_copies_nothing_is_caught(gpu: FakeGpu) -> None:
    old, new = "if self._alignment and", "if False and"
    with edited("runtime.torch_arrays:TorchArrays.mismatch", old, new), pytest.raises(AssertionError, match=": in0 = "):
        _check_odd()


class _Function(torch.nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: torch.Tensor) -> torch.Tensor:
        return self.function(*args)


def test_what_is_written_may_not_be_copied(gpu: FakeGpu) -> None:
    def append(cache: torch.Tensor, rows: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return cache.index_copy_(0, positions, rows * 2)

    cache, rows, positions = torch.zeros(9, 8), torch.randn(2, 8), torch.tensor([3, 7])
    program = warpweave.compile(_Function(append), (cache.clone(), rows, positions)).program
    given = cache.clone()
    program([given, rows, positions])
    torch.testing.assert_close(given, append(cache.clone(), rows, positions))
    odd = torch.zeros(9 * 8 + 1)[1:].view(9, 8)
    with pytest.raises(ArgumentError, match="its alignment does not fit") as raised:
        program([odd, rows, positions])
    assert raised.value.next == "pass a tensor that begins where its storage does"


@pytest.fixture
def lookup(gpu: FakeGpu) -> tuple[torch.nn.Module, Any]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Embedding(50, 24), torch.nn.Linear(24, 8)).eval()
    return model, warpweave.compile(model, (torch.arange(6).view(2, 3),))


WRONG, RIGHT = torch.tensor([[3, 1, 49], [0, 77, -5]]), torch.tensor([[3, 1, 49], [0, 7, 5]])


def test_a_wrong_id_shows_at_the_next_call(gpu: FakeGpu, lookup: Any) -> None:
    model, compiled = lookup
    with torch.no_grad():
        compiled(WRONG)
        with pytest.raises(IndexRangeError) as raised:
            compiled(RIGHT)
        assert raised.value.what == "index 77 is out of range"
        assert raised.value.why.startswith("argument ")
        assert raised.value.why.endswith("is looked up in 50 rows")
        assert "weight" not in raised.value.why
        assert gpu.waits == 1
        torch.testing.assert_close(compiled(RIGHT), model(RIGHT), rtol=1e-5, atol=1e-5)
        assert gpu.waits == 1


@pytest.mark.parametrize("wait", [lambda c: c.program.settle(), lambda _: warpweave.synchronize()], ids=["one", "all"])
def test_a_wrong_id_shows_where_one_waits(gpu: FakeGpu, lookup: Any, wait: Any) -> None:
    model, compiled = lookup
    with torch.no_grad():
        compiled(RIGHT)
        wait(compiled)
        compiled(WRONG)
        with pytest.raises(IndexRangeError, match="index 77 is out of range"):
            wait(compiled)
        wait(compiled)
        torch.testing.assert_close(compiled(RIGHT), model(RIGHT), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new"),
    [("self._faults[:] = 0", "pass"), ("lookups[number - 1]", "lookups[0] + 1")],
)
def test_mutants_of_faults_are_caught(gpu: FakeGpu, lookup: Any, old: str, new: str) -> None:
    with edited("runtime.cuda.device:CudaDevice.settle", old, new), pytest.raises((AssertionError, IndexRangeError)):
        test_a_wrong_id_shows_at_the_next_call(gpu, lookup)


def test_a_gpu_of_another_kind(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = warpweave.compile(torch.nn.Linear(8, 8).eval(), (torch.randn(2, 8),))
    assert compiled(torch.randn(2, 8)).shape == (2, 8)
    device = compiled.program._device
    monkeypatch.setattr(gpu, "architecture", "sm_80")
    with pytest.raises(ForeignKernelError, match="This GPU cannot run sm_90 code") as raised:
        type(device)(compiled.program.description, device._kernels, gpu).admit()
    assert raised.value.why == "the GPU is sm_80"


def _block() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.RMSNorm(32), torch.nn.Linear(32, 48), torch.nn.SiLU()).eval()


def test_ahead_of_time_a_program_is_saved_and_not_called(gpu: FakeGpu, tmp_path: Any) -> None:
    model, x, path = _block(), torch.randn(5, 32), tmp_path / "block.weavebundle"
    options = {"backend": "triton", "target": "h200"}
    compiled = warpweave.compile(model, (x,), options=options)
    with pytest.raises(ForeignKernelError, match="cannot be called here") as raised:
        compiled(x)
    assert raised.value.why == "it was compiled ahead of time, for sm_90"
    compiled.save(path)
    again = tmp_path / "again.weavebundle"
    warpweave.compile(model, (x,), options=options).save(again)
    with zipfile.ZipFile(path) as first, zipfile.ZipFile(again) as second:
        objects = {f"objects/sm_90/{kernel.entry}.kernel" for kernel in compiled.program.description.kernels}
        assert {name for name in first.namelist() if name.startswith("objects/")} == objects
        assert all(first.read(name) == second.read(name) for name in objects)
    program = warpweave.load(path)
    (result,) = program([x])
    with torch.no_grad():
        torch.testing.assert_close(result, model(x), rtol=1e-5, atol=1e-5)
    assert len(gpu.launched) == len(compiled.program.description.kernels)


def test_a_bundle_of_a_program_on_the_gpu(gpu: FakeGpu, tmp_path: Any) -> None:
    model, x, path = _block(), torch.randn(5, 32), tmp_path / "block.weavebundle"
    compiled = warpweave.compile(model, (x,))
    expected = compiled(x)
    compiled.save(path)
    assert torch.equal(warpweave.load(path)([x])[0], expected)
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patch:
        patch.setattr(gpu, "architecture", "sm_100")
        with pytest.raises(ForeignKernelError, match="This GPU cannot run sm_90 code"):
            warpweave.load(path)([x])


def test_what_was_chosen_is_in_the_ledger(gpu: FakeGpu) -> None:
    compiled = warpweave.compile(_block(), (torch.randn(5, 32),))
    rows = [row for row in compiled.report["ledger"] if row["rule"] == "triton-tiles" and row["outcome"] == "taken"]
    names = [kernel.name for kernel in compiled.program.description.kernels]
    assert len(rows) == len(names)
    for row in rows:
        assert " on H100 SXM: " in row["where"]
        assert row["reason"].startswith("predicted ")
