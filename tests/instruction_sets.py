"""Compiling for one instruction set in tests. AMX runs on emulated tiles where the CPU has none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from warpweave.runtime import cpu


def runnable() -> list[str]:
    """The instruction sets that `used` takes here, widest first."""
    return [isa for isa in cpu.ISAS if cpu.supports(isa) or (isa == "amx" and cpu.supports("avx2"))]


@contextmanager
def used(isa: str) -> Iterator[None]:
    """Programs are compiled for `isa` unless their options name another one."""
    with pytest.MonkeyPatch.context() as patch:
        if not cpu.supports(isa):
            _emulate_amx(patch)
        patch.setenv("WARPWEAVE_ISA", isa)
        cpu.best_isa.cache_clear()
        yield
    cpu.best_isa.cache_clear()


def _emulate_amx(patch: pytest.MonkeyPatch) -> None:
    """Code for AMX is compiled with what the CPU has of its instructions; the tiles are plain C++."""
    widest = next(filter(cpu.supports, cpu.ISAS))
    machine = [flag for flag in cpu.ISA_FLAGS[widest] if flag.startswith("-m")]
    patch.setitem(cpu.ISAS, "amx", cpu.ISAS[widest])
    patch.setitem(cpu.ISA_FLAGS, "amx", ("-DWW_ISA_AMX=1", "-DWW_EMULATE_AMX", *machine))
    patch.setattr(cpu, "amx_permitted", lambda: True)
