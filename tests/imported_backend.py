"""A torch.compile backend that runs imported flow modules by their reference: a wrong import gives wrong numbers."""

from collections import Counter
from dataclasses import dataclass, field

import torch

from warpweave.frontend.capture import capture
from warpweave.frontend.importer import import_graph
from warpweave.ir import flow, reference
from warpweave.ir.dims import Dim
from warpweave.ir.signature import (
    dim_of,
    kind_of,
    mutations_of,
    output_strides_of,
    output_views_of,
    outputs_of,
    role_of,
)
from warpweave.ir.verify import verify_level


@dataclass
class Imported:
    """A backend for torch.compile. Each graph it was given is in `modules`, its kind in `kinds`."""

    float64: bool = False
    modules: list = field(default_factory=list)
    kinds: list = field(default_factory=list)
    graphs: list = field(default_factory=list)

    def __call__(self, gm, example_inputs):
        return capture(gm, example_inputs, self.compile_graph)

    def compile_graph(self, gm, example_inputs, kind, placeholders):
        module = import_graph(gm, [p.name for p in placeholders], [p.role for p in placeholders])
        verify_level(module, "flow")
        self.modules.append(module)
        self.kinds.append(kind)
        self.graphs.append(gm)
        return interpreter(module, self.float64)

    def ops(self, graph=0):
        """How often each op stands in a graph; pointwise ops by kind."""
        return Counter(
            f"pointwise<{op.kind.data}>" if isinstance(op, flow.PointwiseOp) else op.name
            for op in self.main(graph).body.block.ops
        )

    def main(self, graph=0):
        return next(iter(self.modules[graph].ops))

    def fallbacks(self, graph=0):
        """ATen target → reasons."""
        found = {}
        for op in self.main(graph).body.block.ops:
            if isinstance(op, flow.AtenOp):
                found.setdefault(op.target.data, set()).add(op.reason.data)
        return found

    def roles(self, graph=0):
        """Readable argument name → role."""
        main = self.main(graph)
        names = [attributes.data["weave.name"].data for attributes in main.arg_attrs]
        return dict(zip(names, map(role_of, main.body.block.args), strict=True))


def interpreter(module, float64=False):
    """A boxed callable with the calling convention of the module's @main."""
    main = next(iter(module.ops))
    block, outputs, mutations = main.body.block, outputs_of(main), mutations_of(main)
    strides = output_strides_of(main)

    def call(args):
        args = list(args)
        symbols = {}
        for parameter, value in zip(block.args, args, strict=True):
            dim = dim_of(parameter)
            if kind_of(parameter) == "int" and str(dim).isidentifier():
                symbols[str(dim)] = value
            elif kind_of(parameter) == "tensor":
                sizes = zip(parameter.type.shape, value.shape, strict=True)
                symbols |= {str(d): n for d, n in sizes if str(d).isidentifier()}
        tensors = [
            v.detach() if kind_of(p) == "tensor" else torch.tensor(0) for p, v in zip(block.args, args, strict=True)
        ]
        values = reference.run(module, tensors, float64=float64, symbols=symbols)
        dtypes = [reference.TORCH_DTYPES[t.dtype] for t in main.function_type.outputs.data]
        values = [v.to(d) for v, d in zip(values, dtypes, strict=True)]
        for value, argument in mutations:
            args[argument].copy_(values[value])
        rest, views = iter(zip(values, strides, strict=False)), iter(output_views_of(main))
        return [result(text, rest, views, args, symbols) for text in outputs]

    call._boxed_call = True
    return call


def result(text, values, views, args, symbols):
    kind, _, detail = text.partition(":")
    if kind == "tensor":
        value, strides = next(values)
        sizes = [d.evaluate(symbols) for d in strides]
        once = [slice(0, 1) if stride == 0 else slice(None) for stride in sizes]
        made = torch.empty_strided(value.shape, sizes, dtype=value.dtype)
        made[tuple(once)].copy_(value[tuple(once)])
        return made
    if kind == "view":
        sizes, strides, offset = ([d.evaluate(symbols) for d in dims] for dims in next(views))
        return args[int(detail)].as_strided(sizes, strides, args[int(detail)].storage_offset() + offset[0])
    if kind == "arg":
        return args[int(detail)]
    return Dim.of(detail).evaluate(symbols) if kind == "int" else None


def compiled(function, backend=None, **options):
    """(the compiled function, its backend)."""
    torch._dynamo.reset()
    backend = backend or Imported()
    return torch.compile(function, backend=backend, **options), backend
