"""Token ids and positions that no row of the table or cache has: an IndexError as in PyTorch, and nothing else is written."""

import threading

import pytest
import torch

from model_zoo import build
from warpweave.runtime.errors import IndexRangeError


class Lookup(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(50, 24)

    def forward(self, ids):
        return self.table(ids) * 2


class Append(torch.nn.Module):
    def forward(self, cache, rows, positions):
        return cache.index_copy_(1, positions, rows * 2)


@pytest.fixture
def lookup():
    torch.manual_seed(0)
    model = Lookup()
    compiled = torch.compile(model, backend="warpweave", dynamic=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(torch.tensor([[0, 49, 7]])), model(torch.tensor([[0, 49, 7]])))
    return model, compiled


@pytest.mark.parametrize("entry", [-1, 50, 2**40, -(2**62)])
def test_token_ids(lookup, entry):
    _, compiled = lookup
    ids = torch.arange(12).view(2, 6)
    ids[1, 2] = entry
    with torch.no_grad(), pytest.raises(IndexError) as raised:
        compiled(ids)
    assert isinstance(raised.value, IndexRangeError)
    assert raised.value.what == f"index {entry} is out of range"
    assert "is looked up in 50 rows" in raised.value.why
    assert raised.value.why.startswith("argument ")


def test_the_next_call_is_right(lookup):
    model, compiled = lookup
    with torch.no_grad():
        for size in (3, 1, 8):
            with pytest.raises(IndexError):
                compiled(torch.full((1, size), 50))
            ids = torch.randint(0, 50, (2, size))
            torch.testing.assert_close(compiled(ids), model(ids), rtol=0, atol=0)


def test_calls_of_other_threads_are_not_blamed(lookup):
    model, compiled = lookup
    wrong: list[object] = []

    def call(good):
        ids = torch.randint(0, 50, (2, 64))
        if not good:
            ids[1, 3] = 99
        expected = model(ids) if good else None
        for _ in range(200):
            try:
                result = compiled(ids)
                if not good or not torch.equal(result, expected):
                    wrong.append("a wrong id passed" if not good else "a wrong number")
            except IndexError as error:
                if good:
                    wrong.append(error)

    def run(good):
        with torch.no_grad():
            call(good)

    threads = [threading.Thread(target=run, args=(i % 2 == 0,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("position", [-1, 10, 11])
def test_cache_positions(position):
    compiled = torch.compile(Append(), backend="warpweave")
    cache, rows = torch.zeros(2, 10, 8), torch.randn(2, 3, 8)
    with torch.no_grad():
        compiled(cache, rows, torch.tensor([9, 0, 4]))
        torch.testing.assert_close(cache[:, [9, 0, 4]], rows * 2)
        before = cache.clone()
        with pytest.raises(IndexError, match=f"index {position} is out of range"):
            compiled(cache, rows, torch.tensor([1, position, 2]))
    assert torch.equal(cache, before)


def test_negative_positions_of_an_assignment_count_from_the_end():
    def put(cache, rows, positions):
        cache[:, positions] = rows * 2
        return cache + 0

    compiled = torch.compile(put, backend="warpweave")
    rows, positions = torch.randn(2, 3, 8), torch.tensor([-1, 0, -10 + 4])
    with torch.no_grad():
        have, want = (f(torch.zeros(2, 10, 8), rows, positions) for f in (compiled, put))
    torch.testing.assert_close(have, want)


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_models(name):
    torch.manual_seed(0)
    model = build(name)
    compiled = torch.compile(model, backend="warpweave")
    ids = torch.randint(0, model.config.vocab_size, (2, 7))
    with torch.no_grad():
        compiled(ids)
        ids[1, 6] = model.config.vocab_size
        with pytest.raises(IndexError, match=f"index {model.config.vocab_size} is out of range"):
            compiled(ids)
