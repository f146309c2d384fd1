"""Calls of programs: numbers, sizes, constants, refused arguments, threads, forks."""

import os
import sys
import threading

import numpy as np
import pytest
import torch

from runtime_samples import APPEND, NEGATE16, SCALE, TURN, doubled, flat, kernel, scaled_by_packed
from warpweave.runtime import constants as constants_module
from warpweave.runtime import team
from warpweave.runtime.artifact import (
    ArgSpec,
    Chunk,
    Launch,
    NativeStep,
    Output,
    ProgramDescription,
    Slot,
    Symbol,
    decode,
    encode,
)
from warpweave.runtime.errors import ArgumentError, DescriptionError
from warpweave.runtime.program import build_program


@pytest.fixture(scope="module")
def scaled():
    return build_program(scaled_by_packed(), doubled)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_description_survives_json():
    assert decode(encode(scaled_by_packed())) == scaled_by_packed()


def test_numbers_at_many_sizes(scaled):
    w = torch.rand(4)
    for size in (1, 7, 0, 129, 7, 2):
        x = torch.randn(size, 4)
        out, half, nothing = scaled([x, w])
        torch.testing.assert_close(out, x * (w * 2) + 2, rtol=1e-6, atol=1e-6)
        assert (half, nothing) == (size // 2 + 1, None)
    assert scaled.arena_bytes(S=3) == 128


def test_barriers_between_launches(scaled, two_threads):
    w = torch.rand(4)
    for size in (1, 1000, 33):
        x = torch.randn(size, 4)
        for _ in range(20):
            assert torch.equal(scaled([x, w])[0], x * (w * 2) + 1 + 1)


def test_numpy_in_numpy_out(scaled):
    x, w = np.random.default_rng(0).random((5, 4), np.float32), np.ones(4, np.float32)
    out = scaled([x, w])[0]
    assert isinstance(out, np.ndarray)
    np.testing.assert_array_equal(out, x * 2 + 1 + 1)
    assert out.ctypes.data % 64 == 0


def test_mixed_arrays_give_tensors(scaled):
    x, w = np.ones((3, 4), np.float32), torch.ones(4)
    assert torch.equal(scaled([x, w])[0], torch.full((3, 4), 4.0))


class Exporter:
    """Something that is neither numpy's nor PyTorch's."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self, **_):
        return self.tensor.__dlpack__()

    def __dlpack_device__(self):
        return (1, 0)


def test_dlpack_in(scaled):
    x = torch.randn(6, 8)[:, ::2]
    out = scaled([Exporter(x), Exporter(torch.ones(4))])[0]
    assert isinstance(out, np.ndarray)
    np.testing.assert_array_equal(out, x.numpy() * 2 + 1 + 1)


def test_bfloat16_without_torch_tensors():
    d = ProgramDescription(
        name="negate",
        args=(ArgSpec("x", "tensor", "bfloat16", ("n",), ("1",)),),
        symbols=(Symbol("n", 0, 0),),
        slots=(flat("arg", 0, "n", "bfloat16"), flat("output", 0, "n", "bfloat16")),
        steps=(NativeStep((Launch(0, (0, 1), ("n",)),)),),
        outputs=(Output("tensor", slot=1),),
        kernels=(kernel("negate16", NEGATE16),),
    )
    program = build_program(d)
    x = torch.randn(9).bfloat16()
    assert torch.equal(program([x])[0], -x)
    out = program([Exporter(x)])[0]
    assert out.itemsize == 2
    np.testing.assert_array_equal(out.astype(np.float32), (-x).float().numpy())


def test_strides_that_differ_are_copied(scaled):
    x = torch.randn(4, 5).t()
    assert torch.equal(scaled([x, torch.ones(4)])[0], x * 2 + 1 + 1)
    x = torch.randn(1, 8)[:, ::2]
    assert torch.equal(scaled([x, torch.ones(4)])[0], x * 2 + 1 + 1)


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ([torch.ones(3, 5), torch.ones(4)], "x: its shape"),
        ([torch.ones(3, 4, dtype=torch.float64), torch.ones(4)], "x: its dtype"),
        ([torch.ones(3, 4), torch.ones(5)], "w: its shape"),
        ([torch.ones(3, 4), torch.ones(8)[::2]], "w: its strides"),
        ([torch.ones(3, 4, device="meta"), torch.ones(4)], "x: its device"),
        ([torch.ones(3, 4)], "1 arguments"),
        ([torch.ones(3, 4), 7], "cannot be an argument"),
        ([[1, 2], torch.ones(4)], "cannot be an argument"),
        ([torch.ones(()), torch.ones(4)], "too few dimensions"),
        ([torch.ones(100001, 4), torch.ones(4)], "S = 100001 is out of range"),
        ([np.ones((3, 4)), np.ones(4, np.float32)], "x: its dtype"),
    ],
)
def test_arguments_that_do_not_fit(scaled, args, word):
    with pytest.raises(ArgumentError, match=word):
        scaled(args)


def test_constants_follow_the_weights():
    program = build_program(scaled_by_packed(), doubled)
    w, x = torch.nn.Parameter(torch.ones(4)), torch.ones(1, 4)
    value = lambda: program([x, w])[0][0, 0].item()  # noqa: E731
    assert (value(), value(), program._constants.computed) == (4.0, 4.0, 1)
    with torch.no_grad():
        w.mul_(3)
    assert (value(), value(), program._constants.computed) == (8.0, 8.0, 2)
    w.data = torch.full((4,), 5.0)
    assert (value(), program._constants.computed) == (12.0, 3)
    optimiser = torch.optim.SGD([w], lr=1.0)
    w.grad = torch.ones(4)
    optimiser.step()
    assert value() == 10.0
    assert not program.constants_of([None, w])[0].requires_grad


def test_each_set_of_weights_is_packed_once():
    program = build_program(scaled_by_packed(), doubled)
    layers = [torch.full((4,), float(i)) for i in range(5)]
    for _ in range(3):
        for i, w in enumerate(layers):
            assert program([torch.ones(1, 4), w])[0][0, 0].item() == 2.0 * i + 2
    assert program._constants.computed == 5


def test_weights_that_were_freed_are_forgotten():
    program = build_program(scaled_by_packed(), doubled)
    for i in range(50):  # the allocator gives the same address again and again
        w = torch.full((4,), float(i))
        assert program([torch.ones(1, 4), w])[0][0, 0].item() == 2.0 * i + 2
        del w
    assert len(program._constants._entries) <= 2


def test_other_weights_at_the_same_address(scaled):
    """Same address, same version counter, other tensor: nothing but the storage tells them apart."""
    memory = np.ones(4, np.float32)
    for value in (1.0, 2.0, 3.0):
        memory[:] = value
        w = torch.frombuffer(memory, dtype=torch.float32)
        assert scaled([torch.ones(1, 4), w])[0][0, 0].item() == 2 * value + 2
        del w


def test_number_of_remembered_weights_is_bounded(monkeypatch):
    monkeypatch.setattr(constants_module, "_KEPT", 3)
    program = build_program(scaled_by_packed(), doubled)
    layers = [torch.full((4,), float(i)) for i in range(6)]
    for w in layers * 2:
        assert program([torch.ones(1, 4), w])[0][0, 0].item() == 2 * w[0].item() + 2
    assert len(program._constants._entries) == 3


def test_inference_tensors_as_weights(scaled):
    with torch.inference_mode():
        w = torch.full((4,), 3.0)
        assert scaled([torch.ones(1, 4), w])[0][0, 0].item() == 8.0


def append_program():
    """Writes x at `position` of a cache argument, gives the cache's row as a view, and the position itself."""
    return build_program(
        ProgramDescription(
            name="append",
            args=(
                ArgSpec("cache", "tensor", "float32", ("L", "n"), ("n", "1"), role="cache"),
                ArgSpec("x", "tensor", "float32", ("n",), ("1",)),
                ArgSpec("position", "int"),
                ArgSpec("anything", "ignored"),
            ),
            symbols=(Symbol("L", 0, 0), Symbol("n", 0, 1), Symbol("p", 2)),
            slots=(
                flat("arg", 0, "L*n"),
                flat("arg", 1, "n"),
                Slot("arg", 0, "float32", ("n",), ("1",), "p*n"),
            ),
            steps=(NativeStep((Launch(0, (1, 0), ("n", "p")),)),),
            outputs=(Output("tensor", slot=2), Output("arg", arg=2), Output("arg", arg=0)),
            mutations=(0,),
            kernels=(kernel("append", APPEND),),
        )
    )


def test_mutation_in_place(two_threads):
    program = append_program()
    cache = torch.zeros(5, 3)
    version = cache._version
    row, position, same = program([cache, torch.tensor([1.0, 2.0, 3.0]), 4, None])
    assert cache.tolist()[4] == [1, 2, 3]
    assert cache[:4].abs().max() == 0
    assert cache._version > version
    assert position == 4
    assert same is cache
    assert row.data_ptr() == cache[4].data_ptr()
    with pytest.raises(ArgumentError, match="cache: its strides"):
        program([torch.zeros(3, 5).t(), torch.ones(3), 0, None])
    with pytest.raises(ArgumentError, match="is no int"):
        program([cache, torch.ones(3), "one", None])


def test_autograd_notices_kernels_that_write():
    cache = torch.ones(5, 3, requires_grad=True).clone()
    out = (cache * cache).sum()
    append_program()([cache.detach(), torch.ones(3), 0, None])
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_outputs_with_strides_and_views():
    d = ProgramDescription(
        name="views",
        args=(ArgSpec("x", "tensor", "float32", ("6",), ("1",)), ArgSpec("w", "tensor", "float32", ("1",), ("1",))),
        slots=(
            flat("arg", 0, "6"),
            flat("arg", 1, "1"),
            Slot("output", 0, "float32", ("3", "2"), ("1", "3")),
            Slot("output", 0, "float32", ("2",), ("3",), "1"),
        ),
        steps=(NativeStep((Launch(0, (0, 1, 2), ("6", "1")),)),),
        outputs=(Output("tensor", slot=3), Output("tensor", slot=2)),
        kernels=(kernel("scale", SCALE),),
    )
    program = build_program(d)
    for args in ([torch.arange(6.0), torch.ones(1)], [np.arange(6, dtype=np.float32), np.ones(1, np.float32)]):
        view, whole = program(args)
        assert whole.tolist() == [[0, 3], [1, 4], [2, 5]]
        assert view.tolist() == [1, 4]


def test_launches_of_different_sizes_and_slots_with_offsets():
    d = ProgramDescription(
        name="offsets",
        args=(ArgSpec("x", "tensor", "float32", ("n",), ("1",)),),
        symbols=(Symbol("n", 0, 0),),
        chunks=(Chunk("4"), Chunk("n*4 + 12")),
        slots=(
            flat("arg", 0, "3", offset="n - 3"),
            flat("arena", 1, "3", offset="n"),
            flat("arena", 1, "2", offset="n + 1"),
            flat("output", 0, "2"),
        ),
        steps=(NativeStep((Launch(0, (0, 1), ("3",)), Launch(0, (2, 3), ("2",)))),),
        outputs=(Output("tensor", slot=3),),
        kernels=(kernel("turn", TURN),),
    )
    program = build_program(d)
    x = torch.arange(40.0)
    for part in (x[:10], x[5:12], x[::2].contiguous()):
        last = part[-3:].tolist()
        assert program([part])[0].tolist() == [last[0] + 2, last[1] + 2]


def test_four_threads_at_once(scaled, two_threads):
    wrong, w = [], torch.rand(4)

    def work(seed):
        generator = torch.Generator().manual_seed(seed)
        for turn in range(60):
            x = torch.randn(1 + (seed * 37 + turn * 11) % 300, 4, generator=generator)
            if not torch.equal(scaled([x, w])[0], x * (w * 2) + 1 + 1):
                wrong.append((seed, turn))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_a_fork(scaled, two_threads):
    x, w = torch.randn(50, 4), torch.rand(4)
    expected = scaled([x, w])[0].numpy().tobytes()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if scaled([x, w])[0].numpy().tobytes() == expected and team.thread_count() == 1 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert team.thread_count() == 2


@pytest.mark.parametrize(("asked", "cpus", "taken"), [(64, 3, 3), (2, 3, 2), (4, 1, 1)])
def test_no_more_threads_than_cpus(monkeypatch, asked, cpus, taken):
    monkeypatch.setattr(torch, "get_num_threads", lambda: asked)
    monkeypatch.setattr(team, "_cpus", lambda: cpus)
    assert team.thread_count() == taken


def test_the_loaded_openmp_runtime_is_used():
    assert "torch" in team.team().library
    assert team.team().parallel
    assert all("omp" in path for path in team.loaded_libraries())


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_one_pool_of_threads(scaled, two_threads):
    x, w = torch.randn(5000, 4), torch.rand(4)
    (torch.randn(300, 300) @ torch.randn(300, 300)).sum()
    torch.rand(1000000).exp()
    before = len(os.listdir("/proc/self/task"))
    for _ in range(5):
        scaled([x, w])
    assert len(os.listdir("/proc/self/task")) <= before + 1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"slots": (flat("arena", 2, "4"),)}, "lies in arena 2"),
        ({"slots": (flat("arg", 0, "4", "float31"),)}, "dtype"),
        ({"symbols": (Symbol("S", 9, 0),)}, "bound to argument 9"),
        ({"symbols": (Symbol("S", 0, 2),)}, "does not have"),
        ({"outputs": (Output("tensor", slot=2),)}, "of the arena"),
        ({"outputs": (Output("tensor", slot=77),)}, "slot 77"),
        ({"steps": (NativeStep((Launch(5, ()),)),)}, "kernel 5"),
        ({"steps": (NativeStep((Launch(0, (99,)),)),)}, "slot 99"),
        ({"kernels": (kernel("a b", ""), kernel("turn", ""))}, "no C name"),
        ({"chunks": (Chunk("S*16"), Chunk("T"))}, "`T` is no symbol"),
        ({"chunks": (Chunk("S*16"), Chunk("S - 100"))}, "negative"),
        ({"mutations": (7,)}, "argument 7 is mutated"),
    ],
)
def test_inconsistent_descriptions(change, word):
    import msgspec

    with pytest.raises(DescriptionError, match=word):
        build_program(msgspec.structs.replace(scaled_by_packed(), **change), doubled)([torch.ones(1, 4), torch.ones(4)])


def test_constants_must_be_as_described():
    program = build_program(scaled_by_packed(), lambda args: [args[1][:3]])
    with pytest.raises(DescriptionError, match="w2"):
        program([torch.ones(1, 4), torch.ones(4)])
