"""What is said where there is no GPU, and which code runs on which."""

import pytest
import torch

from warpweave.runtime.cuda.driver import driver_of, runs
from warpweave.runtime.errors import CudaError


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu():
    with pytest.raises(CudaError, match="cuda cannot be used"):
        driver_of("cuda")
    with pytest.raises(CudaError, match="cuda:0 cannot be used") as raised:
        driver_of("cuda:0")
    assert raised.value.next == "look at nvidia-smi"


@pytest.mark.parametrize(
    ("isa", "architecture", "expected"),
    [
        ("sm_90", "sm_90", True),
        ("sm_80", "sm_86", True),
        ("sm_86", "sm_80", False),
        ("sm_80", "sm_90", False),
        ("sm_90a", "sm_90", True),
        ("sm_90a", "sm_100", False),
        ("sm_100", "sm_103", True),
        ("avx2", "sm_90", False),
    ],
)
def test_code_runs_on_its_own_generation(isa, architecture, expected):
    assert runs(isa, architecture) is expected
