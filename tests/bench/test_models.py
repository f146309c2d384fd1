"""The timed calls compute what they say: a decode step is repeatable and agrees with the whole sequence at once."""

import copy

import pytest
import torch

from warpweave.bench import models
from warpweave.bench.measure import Spec, measure
from warpweave.commands import demo


@pytest.fixture(scope="module")
def llama():
    with torch.no_grad():
        yield models.llama(layers=1)


def test_a_decode_step_is_repeatable_and_right(llama):
    call = models.decode(llama, context=20)
    found = []
    for _ in range(2):
        call.rewind()
        found.append(models.result(llama(**call.kwargs)))
    whole = llama(input_ids=torch.cat([models.tokens(llama, 20), models.tokens(llama, 1)], 1), logits_to_keep=1).logits
    assert torch.equal(*found)
    assert torch.allclose(found[0], whole, atol=1e-4)


def test_the_demo_generates_what_transformers_generates(llama, monkeypatch):
    monkeypatch.setattr(demo, "GENERATED", 6)
    expected = llama.generate(models.tokens(llama, demo.PROMPT), max_new_tokens=6, do_sample=False, eos_token_id=None)
    assert demo.measure(llama, llama).generated == expected[0, demo.PROMPT :].tolist()


def test_minilm_has_its_real_weights():
    model = models.minilm()
    with torch.no_grad():
        hidden = models.result(model(**models.prefill(model, 9).kwargs))
    assert hidden.shape == (1, 9, 384)
    assert float(model.embeddings.word_embeddings.weight[101].norm()) == pytest.approx(1.54572, abs=1e-4)


def test_a_batch_holds_sequences_of_its_own(llama):
    alone, together = (models.decode(llama, context=12, batch=n) for n in (1, 3))
    logits = models.result(llama(**together.kwargs))
    assert logits.shape == (3, 1, 8192)
    assert torch.equal(models.tokens(llama, 12), models.tokens(llama, 12, 1))
    assert not torch.allclose(logits[0], logits[1], atol=1e-3)
    assert models.result(llama(**alone.kwargs)).shape == (1, 1, 8192)


def test_a_copied_call_has_a_cache_of_its_own(llama):
    call = models.decode(llama, context=20)
    other = copy.deepcopy(call)
    first = models.result(llama(**call.kwargs))
    assert [int(c.cache.layers[0].cumulative_length) for c in (call, other)] == [21, 20]
    assert torch.equal(models.result(llama(**other.kwargs)), first)


@pytest.mark.parametrize(
    ("model", "phase", "expected"),
    [
        ("llama", "decode-4096", True), ("gpt2", "decode-4096", False), ("gpt2", "decode-1023", True),
        ("gpt2", "decode-1024", False), ("minilm", "prefill-512", True), ("minilm", "decode-8", False),
    ],
)  # fmt: skip
def test_models_have_phases_up_to_their_positions(model, phase, expected):
    assert models.does(model, phase) is expected


def test_a_process_measures_every_phase_batch_and_system():
    torch._dynamo.reset()
    systems = ["eager", "aot_eager", "warpweave"]
    spec = Spec("minilm", "fp32", 1, ["prefill-8"], systems, rounds=6, budget_s=0.0, batches=(1, 2))
    records = measure(spec)
    assert [(record["phase"], record["batch"]) for record in records] == [("prefill-8", 1), ("prefill-8", 2)]
    for record in records:
        assert {name: found["calls"] for name, found in record["systems"].items()} == dict.fromkeys(systems, 5)
        assert max(found["max_error"] for found in record["systems"].values()) < 1e-5
        assert record["ceilings"]["threads"] == 1
        ours = record["systems"]["warpweave"]["kernels"]
        assert sum(row["flops"] for row in ours) == record["flops"]
    assert records[1]["flops"] == 2 * records[0]["flops"] > 0
