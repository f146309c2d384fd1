"""Roles, names, locations, symbols and mutations of captured graphs."""

import pytest
import torch

from imported_backend import compiled
from warpweave.frontend.origins import readable
from warpweave.ir import flow
from warpweave.ir.locations import modules, source_line
from warpweave.ir.signature import dim_of, kind_of, mutations_of, outputs_of, strides_of


class Block(torch.nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.norm = torch.nn.LayerNorm(width)
        self.up = torch.nn.Linear(width, 2 * width)
        self.register_buffer("table", torch.randn(width))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("cache", torch.zeros(1, 4, width))

    def forward(self, x, position):
        self.seen += 1
        self.cache.index_copy_(1, position, x[:1, :1])
        return self.up(self.norm(x) * self.table), self.cache.sum(1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_roles_and_names():
    model = Block()
    run, backend = compiled(model)
    with torch.no_grad():
        run(torch.randn(2, 3, 8), torch.tensor([2]))
    assert backend.roles() == {
        "x": "input",
        "position": "input",
        "norm.weight": "weight",
        "norm.bias": "weight",
        "up.weight": "weight",
        "up.bias": "weight",
        "table": "weight",
        "seen": "cache",
        "cache": "cache",
    }


def test_mutations_reach_the_buffers():
    model, twin = Block(), Block()
    twin.load_state_dict(model.state_dict())
    run, backend = compiled(model)
    with torch.no_grad():
        for step in range(3):
            x, position = torch.randn(2, 3, 8), torch.tensor([step])
            for got, wanted in zip(run(x, position), twin(x, position), strict=True):
                torch.testing.assert_close(got, wanted)
    assert model.seen == 3
    torch.testing.assert_close(model.cache, twin.cache)
    assert backend.ops()["flow.kv_append"] == 1
    assert len(mutations_of(backend.main())) == 2


def test_locations_are_module_paths_and_lines_of_the_model():
    run, backend = compiled(Block())
    with torch.no_grad():
        run(torch.randn(2, 3, 8), torch.tensor([2]))
    linear = next(op for op in backend.main().body.block.ops if isinstance(op, flow.LinearOp))
    assert modules(linear) == ["up"]
    assert "test_capture.py:" in source_line(linear)
    assert all(modules(op) or source_line(op) for op in backend.main().body.block.ops if op.results)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("L['self']._modules['layers']._modules['0']._modules['q']._parameters['weight']", "layers.0.q.weight"),
        ("L['self'].model.layers.3.mlp", "model.layers.3.mlp"),
        ("L['input_ids']", "input_ids"),
        ("L['kwargs']['attention_mask']", "attention_mask"),
        ("L['past_key_values'].layers[0].keys", "past_key_values.layers.0.keys"),
        ("L['self']._modules['m']._orig_mod._buffers['b']", "m.b"),
        ("model.layers.3", "model.layers.3"),
    ],
)
def test_readable_names(source, name):
    assert readable(source) == name


def test_symbols_are_named_and_bound():
    def function(ids, hidden):
        return hidden[ids].sum(1), ids.shape[0] * 2

    run, backend = compiled(function)
    ids, hidden = torch.randint(0, 5, (3, 4)), torch.randn(5, 8)
    torch._dynamo.mark_dynamic(ids, 0)
    torch._dynamo.mark_dynamic(ids, 1)
    values, twice = run(ids, hidden)
    torch.testing.assert_close(values, function(ids, hidden)[0])
    assert twice == 6
    block = backend.main().body.block
    assert sorted(str(dim_of(a)) for a in block.args if kind_of(a) == "int") == ["B", "S"]
    shapes = {tuple(map(str, a.type.shape)) for a in block.args if kind_of(a) == "tensor"}
    assert shapes == {("B", "S"), ("5", "8")}


def test_sizes_are_results_too():
    def function(x):
        return x + 1, x.shape[0]

    run, backend = compiled(function)
    x = torch.randn(5, 3)
    torch._dynamo.mark_dynamic(x, 0)
    assert run(x)[1] == 5
    y, size = run(torch.ones(9, 3))
    assert size == 9
    torch.testing.assert_close(y, torch.full((9, 3), 2.0))
    assert len(backend.modules) == 1


def test_strides_of_arguments_and_results():
    run, backend = compiled(lambda x: (x.transpose(0, 1) * 2, x))
    x = torch.randn(4, 6).t()
    got, same = run(x)
    torch.testing.assert_close(got, x.t() * 2)
    assert same is x
    main = backend.main()
    assert [str(d) for d in strides_of(main.body.block.args[0])] == ["1", "6"]
    assert outputs_of(main)[0] == "tensor"


def test_an_append_is_a_cache_write_at_its_positions():
    cache, new = torch.zeros(2, 6, 4), torch.randn(2, 2, 4)

    def function(cache, new, position):
        cache[:, position : position + 2] = new
        return cache * 1

    wanted = function(cache.clone(), new, 3)
    run, backend = compiled(function)
    torch.testing.assert_close(run(cache, new, 3), wanted)
    torch.testing.assert_close(cache, wanted)
    assert backend.ops()["flow.kv_append"] == 1


def test_composites_stay_whole_without_gradients_only():
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.RMSNorm(8), torch.nn.Softmax(-1))
    x = torch.randn(3, 8)
    run, backend = compiled(model)
    with torch.no_grad():
        torch.testing.assert_close(run(x), model(x))
    assert {k: v for k, v in backend.ops().items() if k != "func.return"} == {
        "flow.linear": 1,
        "flow.rms_norm": 1,
        "flow.softmax": 1,
    }
    wanted = torch.autograd.grad(model(x).square().sum(), model.parameters())
    got = torch.autograd.grad(run(x).square().sum(), model.parameters())
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b)
    assert backend.kinds == ["inference", "forward", "backward"]


def test_floats_of_modules_are_constants_with_dynamic_shapes():
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.eps = 0.125

        def forward(self, x, factor):
            return (x + self.eps) * factor

    model = Scaled()
    run, backend = compiled(model, dynamic=True)
    for factor in (1.5, 2.5):
        x = torch.randn(3, 5)
        torch.testing.assert_close(run(x, factor), (x + 0.125) * factor)
    constants = [op.number for op in backend.main().body.block.ops if isinstance(op, flow.ConstantOp)]
    assert constants == [0.125]
    assert len(backend.modules) == 1


def test_autocast():
    model, x = torch.nn.Linear(8, 8), torch.randn(4, 8)
    run, backend = compiled(lambda x: model(x).float().sum())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(run(x), model(x).float().sum(), rtol=1e-2, atol=1e-2)
    linear = next(op for op in backend.main().body.block.ops if isinstance(op, flow.LinearOp))
    assert linear.type.dtype == "bf16"


def test_a_complex_graph_is_refused_as_a_whole():
    run, _ = compiled(lambda x: torch.view_as_complex(x) * 2)
    with pytest.raises(torch._dynamo.exc.BackendCompilerFailed, match="a result that is no plain tensor"):
        run(torch.randn(3, 2))


def test_tensors_inside_the_graph():
    """Uniform ones are constants, others become arguments that the caller does not see."""

    def function(x):
        return torch.cat([torch.tensor([]), x]) * torch.tensor(2.0) + torch.tensor([1.0, 2.0, 4.0])

    run, backend = compiled(function)
    x = torch.randn(3)
    torch.testing.assert_close(run(x), function(x))
    torch.testing.assert_close(run(x + 1), function(x + 1))
    assert list(backend.roles().values()) == ["input", "weight"]
    assert backend.fallbacks() == {}
