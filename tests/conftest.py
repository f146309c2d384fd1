"""Settings of the whole suite: no network, one thread unless a test asks for more, bounded property tests."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("WARPWEAVE_CACHE_DIR", tempfile.mkdtemp(prefix="warpweave-tests-"))

import pytest
import torch
from hypothesis import HealthCheck, settings

import instruction_sets
from mutants.score import pytest_terminal_summary
from warpweave.options import ISAS

__all__ = ["pytest_terminal_summary"]

settings.register_profile(
    "default", max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", parent=settings.get_profile("default"), max_examples=1000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--isa",
        choices=ISAS,
        default=instruction_sets.USUAL,
        help="stand for a CPU with this instruction set; what the real one has not got is emulated",
    )
    parser.addoption("--update-golden", action="store_true", help="record the kernels of tests/golden as they are now")


def pytest_configure(config: pytest.Config) -> None:
    """Also in the workers of pytest-xdist."""
    whole_run = ExitStack()
    whole_run.enter_context(instruction_sets.used(config.getoption("--isa")))
    config.add_cleanup(whole_run.close)


@pytest.fixture
def fresh_dynamo() -> Iterator[None]:
    """Nothing that another test compiled, nor for another."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()
