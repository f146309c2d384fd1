"""The timed calls compute what they say: a decode step is repeatable and agrees with the whole sequence at once."""

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


def test_a_process_measures_every_phase_and_system():
    torch._dynamo.reset()
    spec = Spec("minilm", "fp32", 1, ["prefill-8"], ["eager", "aot_eager"], rounds=6, budget_s=0.0)
    (record,) = measure(spec)
    assert record["phase"] == "prefill-8"
    assert {name: found["calls"] for name, found in record["systems"].items()} == {"eager": 5, "aot_eager": 5}
    assert record["systems"]["aot_eager"]["max_error"] < 1e-5
