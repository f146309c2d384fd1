"""Prints a tile.kernel as one C++ source with the kernel ABI of the runtime."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir import locations, tile
from ...ir.rounding import rounds_each
from .context import Context
from .emit_gemm import Gemm, emit_gemms, match
from .emit_tile import emit_parallel
from .exact_factors import with_exact_factors
from .expressions import Writer
from .pack import PackedLayout
from .target import CpuTarget

# Instruction set → the layouts that its bf16 and int8 products read: by a weight's type, or float32_matmul_precision for fp32.
# AVX-512 does twice as many bf16 products as fp32 ones, so three for one would be slower.
_NARROW_PRODUCTS: dict[str, dict[str, PackedLayout]] = {
    "amx": {"bf16": "vnni", "high": "bf16x3", "medium": "bf16x1", "i8": "vnni8"},
    "avx512_bf16": {"bf16": "pairs", "medium": "bf16x1-pairs"},
}


def kernel_source(
    kernel: tile.KernelOp, target: CpuTarget, pack: bool, precision: str
) -> tuple[str, PackedLayout, tuple[str, ...]]:
    """The C++ text, the layout in which the kernel reads its packed weights (`rows` unless `pack`), and how its GEMMs are cut.

    Raises UnsupportedKernelError.
    """
    bf16_products, each = has_bf16_products(target), rounds_each(kernel)
    kernel = with_exact_factors(kernel) if bf16_products else kernel
    phases = kernel.phases
    loops = [loop for phase in phases for loop in phase]
    gemms = [match(Context(kernel, loop=loop), loop) for loop in loops]
    on_driver, layout = _layout(kernel, loops, gemms, target.isa, precision, pack)
    ctx = Context(kernel, layout, l2=target.l2, bf16_products=bf16_products)
    found = dict(zip(loops, gemms if on_driver else [None] * len(loops), strict=True))
    for number, phase in enumerate(phases):
        name = f"{ctx.entry}_phase{number}" if number else ctx.entry
        with ctx.out.block(
            f"void {name}(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt)"
        ):
            ctx.declare_arguments()
            _check_lookups(ctx)
            _loops(ctx, phase, [found[loop] for loop in phase])
    return _file(ctx, contract=not each), layout, tuple(ctx.blocking)


def has_bf16_products(target: CpuTarget) -> bool:
    """Whether the CPU multiplies two bf16 numbers where it would one of fp32."""
    return target.isa in _NARROW_PRODUCTS


def _check_lookups(ctx: Context) -> None:
    """Before anything is read or written: all threads see the same entries, so all of them leave."""
    faults = f"bufs + {len(ctx.kernel.body.args)}"
    for index, entries, extent in ctx.kernel.lookups:
        arguments = (ctx.buffer(index), ctx.symbols.dim(entries), ctx.symbols.dim(extent), faults)
        ctx.out(f"if (!ww::all_inside({', '.join(arguments)})) return;")


def _layout(
    kernel: tile.KernelOp,
    loops: Sequence[tile.ParallelOp],
    gemms: Sequence[Gemm | None],
    isa: str,
    precision: str,
    pack: bool,
) -> tuple[bool, PackedLayout]:
    """Whether the driver takes all products with weights, and the layout in which they are read fastest, `rows` unless `pack`."""
    packed = [
        arg for arg in kernel.body.args if isinstance(arg.type, tile.BufferType) and arg.type.layout.data == "packed"
    ]
    users = [loop for loop in loops if any(v in packed for op in loop.walk() for v in op.operands)]
    taken = [gemm for gemm in gemms if gemm is not None and gemm.loop in users]
    if not packed or len(taken) < len(users):
        return False, "rows"
    types = {tile.element_dtype(v) for gemm in taken for v in (gemm.a.buffer, gemm.weights[0].buffer)}
    if not pack:  # the driver transposes panels of floats on their way, not of i8
        return "i8" not in types, "rows"
    if len(types) > 1:
        return True, "panel"
    dtype = types.pop()
    usual: PackedLayout = "quads" if dtype == "i8" else "panel"
    return True, _NARROW_PRODUCTS.get(isa, {}).get(precision if dtype == "f32" else dtype, usual)


def _loops(ctx: Context, loops: Sequence[tile.ParallelOp], gemms: Sequence[Gemm | None]) -> None:
    groups: list[list[Gemm]] = []
    for gemm in gemms:
        if gemm is None:
            continue
        group = next((g for g in groups if g[0].shares_rows(gemm)), None)
        if group is None:
            groups.append([gemm])
        else:
            group.append(gemm)
    for group in groups:
        with ctx.out.block(""):
            emit_gemms(ctx, group)
    for loop, gemm in zip(loops, gemms, strict=True):
        if gemm is None:
            emit_parallel(ctx, loop)
            ctx.end()


def _file(ctx: Context, contract: bool) -> str:
    """`contract`: a product and a sum may be one instruction, with one rounding."""
    kernel, out = ctx.kernel, Writer()
    modules = list(dict.fromkeys(m for op in kernel.walk() for m in locations.modules(op)))
    out(f"// {ctx.entry} ({kernel.kind.data})" + (f": {', '.join(modules)}" if modules else ""))
    if not contract:
        out("#ifdef __clang__")
        out("#pragma clang fp contract(off)")
        out("#else")
        out('#pragma GCC optimize("fp-contract=off")')
        out("#endif")
    out('#include "ww_tile.h"')
    out()
    out('extern "C" {')
    out(f"extern const int64_t {ctx.entry}_scratch_bytes;")
    total = "0"
    for term in ctx.scratch_terms:
        total = term if total == "0" else f"ww::max(int64_t({total}), int64_t({term}))"
    out(f"const int64_t {ctx.entry}_scratch_bytes = {total};")
    if len(kernel.phases) > 1:
        out(f"extern const int64_t {ctx.entry}_phases;")
        out(f"const int64_t {ctx.entry}_phases = {len(kernel.phases)};")
    out()
    return out.text + ctx.out.text + '}  // extern "C"\n'
