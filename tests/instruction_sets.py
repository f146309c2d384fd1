"""CPUs that tests stand for, whatever the one is that they run on.

Code for instructions that the real CPU has not got is compiled with those that it has: vectors keep their width and their
layouts, the products of AMX's tiles and AVX-512's pairs are plain C++.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from warpweave.runtime import cpu

USUAL = "avx2"
"""What the suite stands for unless it is told otherwise."""
_REAL = [isa for isa in cpu.ISAS if cpu.supports(isa)]  # when this is imported nothing is faked yet
_MACHINE = tuple(flag for flag in cpu.ISA_FLAGS[_REAL[0]] if flag.startswith("-m"))


@contextmanager
def used(isa: str) -> Iterator[None]:
    """This process runs on a CPU whose widest instruction set is `isa`; those that it starts, on none that is wider."""
    with pytest.MonkeyPatch.context() as patch:
        every = list(cpu.ISAS)
        features = frozenset().union(*(cpu.ISAS[narrower] for narrower in every[every.index(isa) :]))
        patch.setattr(cpu, "cpu_flags", lambda: features)
        patch.setattr(cpu, "amx_permitted", lambda: isa == "amx")
        for foreign in cpu.ISAS:
            if foreign not in _REAL:
                defines = cpu.ISA_FLAGS[foreign][0], "-DWW_EMULATE_AMX"
                patch.setitem(cpu.ISA_FLAGS, foreign, (*defines, *_MACHINE))
        patch.setenv(cpu.VARIABLE, isa)
        cpu.best_isa.cache_clear()
        yield
    cpu.best_isa.cache_clear()
