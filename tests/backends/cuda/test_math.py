"""common/math.h on the twin: the largest errors that its head states, against float64."""

import math

import numpy as np
import pytest

from emulated import source
from warpweave.backends.cuda.emulate import EmulatedKernel
from warpweave.backends.cuda.source import PointerParameter

COUNT = 4096
KERNEL = """extern "C" WW_KERNEL(128, 1) k(const float* x, float* out) {
  for (int i = ww::thread_index(); i < %d; i += 128) ww::store_global(out + i, ww::%s(ww::load_constant(x + i)));
}
"""
ERF = np.vectorize(math.erf)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def ulps(count):
    """`count(x)` units in the last place of the result."""
    return lambda x, exact: count(np.abs(x)) * np.spacing(np.abs(exact).astype(np.float32)).astype(float)


def absolute(bits, scale=lambda x: 1.0):
    return lambda x, exact: scale(np.abs(x)) * 2.0**bits + 1e-37


FUNCTIONS = {
    "exp": (np.exp, ulps(lambda x: 2 + 1.25 * x)),
    "sigmoid": (sigmoid, ulps(lambda x: 5 + 1.25 * x)),
    "silu": (lambda x: x * sigmoid(x), ulps(lambda x: 5 + 1.25 * x)),
    "tanh": (np.tanh, absolute(-22)),
    "gelu": (lambda x: 0.5 * x * (1 + ERF(x / math.sqrt(2))), absolute(-22, lambda x: x)),
    "gelu_tanh": (
        lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        absolute(-21, lambda x: x),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors_are_within_what_is_stated(name):
    function, bound = FUNCTIONS[name]
    buffers = (("x", "float32", (COUNT,), False), ("out", "float32", (COUNT,), True))
    kernel = source(KERNEL % (COUNT, name), buffers, (PointerParameter("x"), PointerParameter("out")))
    x = np.concatenate([np.linspace(-80, 80, COUNT // 2), np.linspace(-4, 4, COUNT // 2)]).astype(np.float32)
    out = np.full(COUNT, np.nan, np.float32)
    assert EmulatedKernel(kernel).run({"x": x, "out": out}, {}).findings == ()
    exact = function(x.astype(float))
    assert (np.abs(out - exact) <= bound(x.astype(float), exact)).all()
