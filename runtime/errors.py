"""Errors of the runtime. Every message says what went wrong, where, why, and what to do next."""

from __future__ import annotations


class ProgramError(Exception):
    """Base of all errors raised by `warpweave.runtime`."""

    def __init__(self, what: str, *, where: str, why: str, next: str) -> None:
        super().__init__(f"{what}\n  where: {where}\n  why:   {why}\n  next:  {next}")
        self.what = what
        self.where = where
        self.why = why
        self.next = next


class DescriptionError(ProgramError):
    """A program description that no program can be built from."""


class ArgumentError(ProgramError):
    """An argument of a call that does not fit the program's description."""


class OutOfMemoryError(ProgramError, MemoryError):
    """More memory for one call than this process can have."""


class SettingError(ProgramError, ValueError):
    """An environment variable with a value that it cannot have."""


class IndexRangeError(ProgramError, IndexError):
    """A token id or a position beyond the rows of the table or cache that it is looked up in."""


class ForeignKernelError(ProgramError):
    """A call of a program whose kernels are for another CPU than this one."""


class MissingCompilerError(ProgramError):
    """No compiler for the kernels on this machine."""


class MissingPackageError(ProgramError):
    """A package that this kind of program needs is not installed."""


class CudaError(ProgramError):
    """The CUDA driver refused something, or found no GPU."""


class CompileError(ProgramError):
    """The C++ compiler refused a kernel."""


class CacheRefusedError(ProgramError):
    """A cache directory that other users could write to, or that cannot be written at all."""


class BundleError(ProgramError):
    """A file that is no bundle, or one that was damaged or altered."""


class BundleIncompatibleError(BundleError):
    """A sound bundle that this machine or this version cannot run."""
