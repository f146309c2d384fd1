"""Compiling for one instruction set in tests. Bf16 products (AMX's tiles, AVX-512's pairs) are emulated where the CPU has none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from warpweave.fuzz.kernels import EMULATED
from warpweave.runtime import cpu


def runnable() -> list[str]:
    """The instruction sets that `used` takes here, widest first."""
    return [isa for isa in cpu.ISAS if cpu.supports(isa) or (isa in EMULATED and cpu.supports("avx2"))]


@contextmanager
def used(isa: str) -> Iterator[None]:
    """Programs are compiled for `isa` unless their options name another one."""
    with pytest.MonkeyPatch.context() as patch:
        if not cpu.supports(isa):
            _emulate(patch, isa)
        patch.setenv("WARPWEAVE_ISA", isa)
        cpu.best_isa.cache_clear()
        yield
    cpu.best_isa.cache_clear()


def _emulate(patch: pytest.MonkeyPatch, isa: str) -> None:
    """Code for `isa` is compiled with what the CPU has of its instructions; the bf16 products are plain C++."""
    widest = next(filter(cpu.supports, cpu.ISAS))
    machine = [flag for flag in cpu.ISA_FLAGS[widest] if flag.startswith("-m")]
    patch.setitem(cpu.ISAS, isa, cpu.ISAS[widest])
    patch.setitem(cpu.ISA_FLAGS, isa, (cpu.ISA_FLAGS[isa][0], "-DWW_EMULATE_AMX", *machine))
    patch.setattr(cpu, "amx_permitted", lambda: True)
