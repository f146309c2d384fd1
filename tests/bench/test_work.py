"""FLOPs and bytes of calls whose numbers can be written down."""

import torch
from torch import nn

from warpweave.bench import models, work
from warpweave.bench.models import Call

LLAMA_LAYER = 2 * 1024 * 1024 + 2 * 1024 * 256 + 3 * 1024 * 2816  # q and o, k and v, gate, up and down
HEAD = 1024 * 8192


class Net(nn.Module):
    def __init__(self, tied=False):
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.linear = nn.Linear(8, 50)
        if tied:
            self.linear.weight = self.embed.weight

    def forward(self, input_ids):
        return self.linear(self.embed(input_ids))


def ids(*shape):
    return Call({"input_ids": torch.zeros(shape, dtype=torch.long)})


def test_a_linear_is_two_flops_a_weight_and_row():
    assert work.flops(Net(), ids(3, 7)) == 2 * 21 * 8 * 50


def test_of_an_embedding_the_rows_of_the_tokens_count():
    linear = (8 * 50 + 50) * 4
    assert work.read_bytes(Net(), ids(1, 7)) == linear + 7 * 8 * 4
    assert work.read_bytes(Net(), ids(9, 7)) == linear + 50 * 8 * 4


def test_a_tied_embedding_is_the_product_weight():
    assert work.read_bytes(Net(tied=True), ids(1, 7)) == (8 * 50 + 50) * 4


def test_a_decode_step_reads_weights_and_the_filled_cache():
    with torch.no_grad():
        model = models.llama(layers=1)
        call = models.decode(model, context=20, batch=2)
        places = 20 + models.HEADROOM
        products = 2 * 2 * (LLAMA_LAYER + HEAD)
        attention = 2 * 2 * 2 * 1024 * places
        assert work.flops(model, call) == products + attention
    norms, rows, cache = 3 * 1024, 2 * 1024, 2 * 2 * 4 * 20 * 64
    assert work.read_bytes(model, call) == 4 * (LLAMA_LAYER + HEAD + norms + rows + cache)


def test_prefill_counts_causal_attention_whole():
    with torch.no_grad():
        model = models.llama(layers=1)
        found = work.flops(model, models.prefill(model, 16, batch=3))
    assert found == 2 * 3 * (16 * LLAMA_LAYER + HEAD) + 2 * 2 * 3 * 16 * 16 * 1024
