"""Triton's interpreter in its own process: what is repaired in it, what it says when it fails, that it stays."""

import os

import pytest
import torch

from interpreted import needs_triton
from warpweave.backends.triton import interpret
from warpweave.backends.triton.interpret import InterpretedKernel, InterpreterFailedError
from warpweave.backends.triton.source import Parameter, TritonSource

pytestmark = needs_triton
HEAD = "import triton\nimport triton.language as tl\nfrom triton.language.extra import libdevice\n\n\n@triton.jit\n"


def run(body, *buffers, **sizes):
    """A function of one program with these lines; its buffers are in0, in1, …"""
    names = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.float64: "*fp64", torch.int64: "*i64"}
    parameters = [Parameter(f"in{i}", names[b.dtype]) for i, b in enumerate(buffers)]
    parameters += [Parameter(name, "i32") for name in sizes]
    head = f"def one({', '.join(p.name for p in parameters)}):\n"
    source = HEAD + head + "".join(f"    {line}\n" for line in body.splitlines())
    InterpretedKernel(TritonSource("one", source, ("one",), tuple(parameters), ("1",)))(buffers, sizes)


def test_bf16_products_are_of_numbers():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(16, 16, generator=generator).bfloat16() for _ in range(2))
    c = torch.zeros(16, 16)
    run(
        "at = tl.arange(0, 16)[:, None] * 16 + tl.arange(0, 16)[None, :]\n"
        "tl.store(in2 + at, tl.dot(tl.load(in0 + at), tl.load(in1 + at)))",
        a, b, c,
    )  # fmt: skip
    torch.testing.assert_close(c, a.float() @ b.float())


def test_conversion_to_bf16_rounds_to_even():
    wide = torch.tensor([1 + 2**-9, 1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-7, 3.4e38, torch.inf, -0.0, 1e-40])
    narrow = torch.zeros(8, dtype=torch.bfloat16)
    run("at = tl.arange(0, 8)\ntl.store(in1 + at, tl.load(in0 + at).to(tl.bfloat16))", wide, narrow)
    assert torch.equal(narrow.view(torch.int16), wide.bfloat16().view(torch.int16))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tl.maximum(x, y)", [2.0, 1.0, 3.0, -1.0]),
        ("tl.minimum(x, y)", [2.0, 1.0, 2.0, -2.0]),
        ("tl.maximum(x, y, tl.PropagateNan.ALL)", [torch.nan, torch.nan, 3.0, -1.0]),
        ("libdevice.pow(x, y)", [torch.nan, 1.0, 9.0, -0.5]),
        ("libdevice.tanh(x)", [torch.nan, 0.7615941559557649, 0.9950547536867305, -0.9640275800758169]),
    ],
)
def test_functions(text, expected):
    x = torch.tensor([torch.nan, 1.0, 3.0, -2.0], dtype=torch.float64)
    y = torch.tensor([2.0, torch.nan, 2.0, -1.0], dtype=torch.float64)
    z = torch.zeros(4, dtype=torch.float64)
    run(f"at = tl.arange(0, 4)\nx, y = tl.load(in0 + at), tl.load(in1 + at)\ntl.store(in2 + at, {text})", x, y, z)
    torch.testing.assert_close(z, torch.tensor(expected, dtype=torch.float64), equal_nan=True)


def test_reductions_that_ignore_nan():
    x, y = torch.tensor([1.0, torch.nan, 3.0, 2.0]), torch.zeros(2)
    run("x = tl.load(in0 + tl.arange(0, 4))\ntl.store(in1, tl.max(x, 0))\ntl.store(in1 + 1, tl.min(x, 0))", x, y)
    assert y.tolist() == [3.0, 1.0]


def test_sizes_have_their_declared_type():
    """As when the kernel is compiled, and not as wide as their value needs."""
    x = torch.zeros(1, dtype=torch.int64)
    run("tl.store(in0, n * 65536)", x, n=65537)
    assert x.item() == 65536


def test_a_failure_names_the_line_and_the_process_stays():
    x = torch.zeros(4)
    run("tl.store(in0, 1.0)", x)
    before = interpret._processes[os.getpid()]
    with pytest.raises(InterpreterFailedError, match=r"^ValueError: .* in `y = tl.arange\(0, 3\)`$"):
        run("y = tl.arange(0, 3)\ntl.store(in0 + y, 2.0)", x)
    assert x.tolist() == [1.0, 0.0, 0.0, 0.0]
    run("tl.store(in0, 3.0)", x)
    assert x[0] == 3.0
    assert interpret._processes[os.getpid()] is before


def test_a_process_that_dies_is_replaced():
    x = torch.zeros(4)
    with pytest.raises(InterpreterFailedError, match="ended with exit code -11"):
        run("tl.store(in0 + (1 << 50), 1.0)", x)
    run("tl.store(in0, 1.0)", x)
    assert x[0] == 1.0


def test_buffers_may_share_memory_and_be_empty():
    whole = torch.zeros(8)
    run("tl.store(in0, 1.0)\ntl.store(in1, 2.0)", whole[2:4], whole[5:], torch.zeros(0))
    assert whole.tolist() == [0, 0, 1, 0, 0, 2, 0, 0]
