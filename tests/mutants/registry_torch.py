"""Mutants between torch.compile or torch.export and what the caller gets: views, results, promises, unusual arguments."""

from __future__ import annotations

from mutants import torch_programs as p
from mutants.registry import Mutant

TORCH = [
    Mutant("start of a slice beyond the end is kept", "torch", "frontend.aten_views:begin", "else first.min(size)", "else first",
           (p.starts,)),
    Mutant("negative start of a slice is kept", "torch", "frontend.aten_views:begin", "first = size + first", "first = first",
           (p.ends,)),
    Mutant("roll beyond the size is not taken back", "torch", "frontend.aten_views:roll", "-shift % (", "-shift + 0 * (",
           (p.rolled,)),
    Mutant("ints are sizes", "torch", "planner.describe:Describer._symbols", "low=None", "low=0", (p.negative,)),
    Mutant("view of an argument is a copy", "torch", "frontend.importer:_Importer.tensor_result", "base in self.placeholders and",
           "False and", (p.shown,)),
    Mutant("element that is shown many times is stored as often", "torch", "planner.results:_copy", "size.min(1)", "size",
           (p.expanded,)),
    Mutant("results that are equal are one", "torch", "planner.results:returned_values", "if fits and not buffers & taken:",
           "if fits:", (p.cloned,)),
    Mutant("views of a result have memory of their own", "torch", "planner.results:returned_values", "elif shared:",
           "elif False:", (p.together,)),
    Mutant("what PyTorch shows of an argument is overwritten with it", "torch", "runtime.aten:AtenStep.run", "copy=self._shows",
           "copy=False", (p.kept,)),
    Mutant("promises are not checked", "torch", "runtime.sizes:SizePlan.sizes", "in self._promises:", "in ():", (p.promised,)),
    Mutant("ranges of an export are forgotten", "torch", "frontend.export:relations", "return found + [", "return [",
           (p.promised,)),
    Mutant("lazy negation is not seen", "torch", "runtime.torch_arrays:TorchArrays.mismatch",
           '"lazy negation" if array.is_neg() else None', "None", (p.negated,)),
    Mutant("lazily negated arguments are not written back", "torch", "runtime.program:Program._mark_written",
           "passed[i].copy_(given[i])", "pass", (p.negated,)),
    Mutant("without tensors, numpy", "torch", "runtime.program:Program.__call__", "self._alone or args", "args", (p.nothing,)),
    Mutant("dtype that is asked for is the result's only", "torch", "frontend.aten_reductions:as_asked",
           "dtype == compute_dtype(dtype_of(x))", "True", (p.asked,)),
]  # fmt: skip
