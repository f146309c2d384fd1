"""Which backend compiles what: options that do not go together, devices that a backend has no kernels for."""

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

import warpweave
from warpweave.backends.cpu.backend import CpuBackend
from warpweave.backends.cuda.backend import EmulatedBackend
from warpweave.backends.triton.backend import InterpretedBackend
from warpweave.options import OptionError, Options
from warpweave.selection import backend_for


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"interpret": True},
            "warpweave: interpret=True without backend='triton' or 'cuda'\n"
            "  why:   only kernels for a GPU have an interpreter\n"
            "  next:  give backend='triton' or backend='cuda' too, or leave interpret out",
        ),
        (
            {"backend": "triton", "isa": "avx2"},
            "warpweave: isa with a backend for GPUs\n"
            "  why:   isa is the instruction set of CPU kernels, of which there are none\n"
            "  next:  leave out one of the two",
        ),
        ({"backend": "hip"}, "warpweave: option 'backend' is one of auto, cpu, triton, cuda, not 'hip'."),
        ({"interpret": "yes"}, "warpweave: option 'interpret' is True or False, not 'yes'."),
    ],
)
def test_options_that_are_refused(options, said):
    with pytest.raises(OptionError) as raised:
        Options.of(options)
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("options", "device", "kind"),
    [
        ({}, "cpu", CpuBackend),
        ({"backend": "cpu"}, "cpu", CpuBackend),
        ({"backend": "triton", "interpret": True}, "cpu", InterpretedBackend),
        ({"backend": "cuda", "interpret": True}, "cpu", EmulatedBackend),
    ],
)
def test_chosen(options, device, kind):
    assert type(backend_for(Options.of(options), device)) is kind


@pytest.mark.parametrize(
    ("options", "device", "said"),
    [
        (
            {"backend": "triton"},
            "cpu",
            "warpweave: backend='triton' for tensors on cpu\n  why:   its kernels run on cuda\n"
            "  next:  move model and inputs to 'cuda', or give backend='auto' or interpret=True, which runs them on the CPU",
        ),
        (
            {"backend": "cuda"},
            "cpu",
            "warpweave: backend='cuda' for tensors on cpu\n  why:   its kernels run on cuda\n"
            "  next:  move model and inputs to 'cuda', or give backend='auto' or interpret=True, which runs them on the CPU",
        ),
        (
            {"backend": "cpu"},
            "cuda:0",
            "warpweave: backend='cpu' for tensors on cuda:0\n  why:   its kernels run on cpu\n"
            "  next:  move model and inputs to 'cpu', or give backend='auto'",
        ),
        (
            {"backend": "triton", "interpret": True},
            "cuda:0",
            "warpweave: backend='triton', interpret=True for tensors on cuda:0\n  why:   its kernels run on cpu\n"
            "  next:  move model and inputs to 'cpu', or give backend='auto'",
        ),
        (
            {},
            "mps:0",
            "warpweave: tensors on mps:0\n  why:   kernels are for cpu and cuda\n"
            "  next:  leave this model to another backend of torch.compile",
        ),
    ],
)
def test_refused(options, device, said):
    with pytest.raises(OptionError) as raised:
        backend_for(Options.of(options), device)
    assert str(raised.value) == said


def test_a_wrong_choice_is_an_error_and_no_fallback():
    model, x = torch.nn.Linear(4, 4), torch.randn(2, 4)
    torch._dynamo.reset()
    with torch.no_grad(), pytest.raises(BackendCompilerFailed, match="for tensors on cpu") as raised:
        torch.compile(model, backend="warpweave", options={"backend": "triton"})(x)
    assert isinstance(raised.value.inner_exception, OptionError)
    with pytest.raises(OptionError, match="for tensors on cpu"):
        warpweave.compile(model, (x,), options={"backend": "triton"})
