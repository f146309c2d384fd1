"""Hand-written kernels and small programs made of them, for the tests of the runtime."""

from warpweave.runtime.artifact import (
    ArgSpec,
    Chunk,
    Constant,
    Kernel,
    Launch,
    NativeStep,
    Output,
    ProgramDescription,
    Slot,
    Symbol,
)

_HEAD = (
    '#include <cstdint>\nextern "C" void {name}(void* const* b, const int64_t* d, void* scratch, int tid, int nt) {{\n'
)

# out[i] = x[i] * w[i % n]; dims: count, n
SCALE = (
    _HEAD.format(name="scale")
    + """  const float *x = (const float*)b[0], *w = (const float*)b[1];
  float* out = (float*)b[2];
  for (int64_t i = tid; i < d[0]; i += nt) out[i] = x[i] * w[i % d[1]];
}
"""
)

# out[i] = x[count - 1 - i] + 1: reads what other threads wrote, so that a missing barrier shows; dims: count
TURN = (
    _HEAD.format(name="turn")
    + """  const float* x = (const float*)b[0];
  float* out = (float*)b[1];
  for (int64_t i = d[0] * tid / nt; i < d[0] * (tid + 1) / nt; ++i) out[i] = x[d[0] - 1 - i] + 1;
}
"""
)

# cache[position] = x, through scratch; dims: count, position
APPEND = (
    'extern "C" { extern const long append_scratch_bytes; const long append_scratch_bytes = 4096; }\n'
    + _HEAD.format(name="append")
    + """  float* room = (float*)scratch;
  if (tid != 0 || (uintptr_t)scratch % 64) return;
  for (int64_t i = 0; i < d[0]; ++i) room[i] = ((const float*)b[0])[i];
  for (int64_t i = 0; i < d[0]; ++i) ((float*)b[1])[d[1] * d[0] + i] = room[i];
}
"""
)

# out[i] = bits of bfloat16 x[i] with the sign flipped; dims: count
NEGATE16 = (
    _HEAD.format(name="negate16")
    + """  for (int64_t i = tid; i < d[0]; i += nt) ((uint16_t*)b[1])[i] = ((const uint16_t*)b[0])[i] ^ 0x8000;
}
"""
)


def kernel(entry: str, source: str) -> Kernel:
    return Kernel(entry, source, entry, "portable")


def flat(source: str, index: int, size: str, dtype: str = "float32", offset: str = "0") -> Slot:
    return Slot(source, index, dtype, (size,), ("1",), offset)


def scaled_by_packed(name: str = "scaled") -> ProgramDescription:
    """out[S, 4] = turn(turn(x * (2 w))), where 2 w is a constant computed from the weight w."""
    return ProgramDescription(
        name=name,
        args=(
            ArgSpec("x", "tensor", "float32", ("S", "4"), ("4", "1")),
            ArgSpec("w", "tensor", "float32", ("4",), ("1",), role="weight"),
        ),
        symbols=(Symbol("S", 0, 0, low=0, high=100000),),
        chunks=(Chunk("S*16"), Chunk("S*4*4")),
        constants=(Constant("w2", "float32", (4,)),),
        slots=(
            flat("arg", 0, "S*4"),
            flat("constant", 0, "4"),
            flat("arena", 0, "S*4"),
            flat("arena", 1, "S*4"),
            Slot("output", 0, "float32", ("S", "4"), ("4", "1")),
        ),
        steps=(
            NativeStep((Launch(0, (0, 1, 2), ("S*4", "4")), Launch(1, (2, 3), ("S*4",)), Launch(1, (3, 4), ("4*S",)))),
        ),
        outputs=(Output("tensor", slot=4), Output("int", value="S//2 + 1"), Output("none")),
        kernels=(kernel("scale", SCALE), kernel("turn", TURN)),
    )


def doubled(args):
    """`compute_constants` of `scaled_by_packed`."""
    return [args[1] * 2]
