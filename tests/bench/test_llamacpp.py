"""llama.cpp runs the very model that the others run; where it would not, that is said in place of a time."""

import pytest
import torch

from warpweave.bench import models, others
from warpweave.bench.others import gguf_file, llamacpp


@pytest.fixture
def llama():
    with torch.no_grad():
        yield models.llama(layers=1)


def needs(*packages):
    absent = [package for package in packages if package in others.missing("llama.cpp")]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


def test_rows_are_ordered_so_that_rope_turns_neighbours():
    heads, half, columns = 3, 4, 5
    weight, x = torch.randn(heads * 2 * half, columns), torch.randn(columns)
    angle = torch.rand(half)
    first, second = (weight @ x).view(heads, 2, half).unbind(1)
    turned = torch.stack([first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()], 1)
    even, odd = (gguf_file.interleaved(weight, heads) @ x).view(heads, half, 2).unbind(2)
    neighbours = torch.stack([even * angle.cos() - odd * angle.sin(), odd * angle.cos() + even * angle.sin()], 2)
    torch.testing.assert_close(neighbours.transpose(1, 2), turned)


@needs("gguf")
@pytest.mark.parametrize("dtype", list(models.DTYPES.values()))
def test_a_file_holds_every_weight(dtype, tmp_path):
    import gguf

    model = models.llama(dtype, layers=1)
    gguf_file.write(model, tmp_path / "model.gguf")
    reader = gguf.GGUFReader(tmp_path / "model.gguf")
    found = {tensor.name: tensor for tensor in reader.tensors}
    assert len(found) == len(list(model.parameters())) == 12
    down = torch.tensor(found["blk.0.ffn_down.weight"].data).view(dtype)
    assert torch.equal(down, model.model.layers[0].mlp.down_proj.weight)
    query = torch.tensor(found["blk.0.attn_q.weight"].data).view(dtype)
    assert torch.equal(query[1], model.model.layers[0].self_attn.q_proj.weight[32])
    assert found["output_norm.weight"].tensor_type == gguf.GGMLQuantizationType.F32
    assert reader.fields["llama.attention.head_count_kv"].contents() == 4


def test_only_a_llama_is_written():
    model = models.minilm()
    with pytest.raises(others.SkippedError, match="only the Llama-like model is written as GGUF, not bert"):
        llamacpp.llama_cpp(model, models.prefill(model, 8), "fp32", 1)


@needs("llama_cpp", "gguf")
@pytest.mark.slow
@pytest.mark.parametrize("phase", ["prefill-12", "decode-20"])
@pytest.mark.parametrize(("dtype", "bound"), [("fp32", 1e-5), ("bf16", 2e-2)])
@pytest.mark.parametrize("batch", [1, 2])
def test_it_computes_what_the_model_does_again_and_again(phase, dtype, bound, batch):
    with torch.no_grad():
        model = models.llama(models.DTYPES[dtype], layers=2)
        call = models.make_call(model, phase, batch)
        run = others.prepared("llama.cpp", model, call, dtype, 1)
        call.rewind()
        expected = models.result(model(**call.kwargs))
    first, second = run(**call.kwargs), run(**call.kwargs)
    assert first.shape == expected.shape
    assert models.distance(first, expected) < bound
    assert torch.equal(first, second)


@needs("llama_cpp", "gguf")
@pytest.mark.slow
def test_another_model_is_not_measured(llama, monkeypatch):
    monkeypatch.setattr(gguf_file, "interleaved", lambda weight, heads: weight)
    with pytest.raises(others.SkippedError, match="it computes something else"):
        others.prepared("llama.cpp", llama, models.decode(llama, 20), "fp32", 1)
