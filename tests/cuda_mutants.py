"""The sample kernels with one thing wrong: what is edited, and how it must show.

`shows`: kinds of findings of which the emulator must name one, or `numbers` where only the results are wrong. A mutant that
nobody sees stands in `LEGAL`, with the reason why it is no mistake.
"""

from __future__ import annotations

from dataclasses import dataclass

NUMBERS = "numbers"
RACES = ("race-read-after-write", "race-write-after-read", "race-write-after-write")


@dataclass(frozen=True)
class KernelMutant:
    name: str
    sample: str
    edits: tuple[tuple[str, str], ...]
    shows: tuple[str, ...]


def mutant(sample: str, name: str, old: str, new: str, *shows: str) -> KernelMutant:
    return KernelMutant(name, sample, ((old, new),), shows)


def gemm(name: str, old: str, new: str, *shows: str) -> KernelMutant:
    return mutant("gemm_bias_gelu", name, old, new, *shows)


def norm(name: str, old: str, new: str, *shows: str) -> KernelMutant:
    return mutant("gemm_residual_norm", name, old, new, *shows)


def flash(name: str, old: str, new: str, *shows: str) -> KernelMutant:
    return mutant("flash_attention_d64", name, old, new, *shows)


def sm80(name: str, old: str, new: str, *shows: str) -> KernelMutant:
    return mutant("gemm_sm80", name, old, new, *shows)


# More K-tiles than twice the stages, more tiles than blocks, and nothing a multiple of a tile.
SIZES = {
    "gemm_bias_gelu": {"M": 72, "N": 136, "K": 712},
    "gemm_residual_norm": {"M": 72, "N": 136, "K": 72},
    "flash_attention_d64": {"H": 1, "S": 328, "D": 64},
    "gemm_sm80": {"M": 72, "N": 136, "K": 328},
}

LOADER = "          ww::mbarrier_wait(empty + 8 * ring.stage, ring.parity ^ 1);\n"
READER = "        ww::mbarrier_wait(full + 8 * ring.stage, ring.parity);\n"
RELEASE = "        if (k > 0 && lane == 0) ww::mbarrier_arrive(empty + 8 * before);\n"
LAST = "      ww::wgmma_wait<0>();\n      if (k_tiles > 0 && lane == 0) ww::mbarrier_arrive(empty + 8 * before);\n"
FENCE = "      ww::fence_proxy_async();\n      ww::named_barrier_sync(1 + member, 128);\n"
LEFT = "      if (stores) ww::tma_store_wait_read<0>();   // the tile before has left\n"
TILE = "        const ww::Tile tile = ww::banded<kBand>(n, row_tiles, column_tiles);\n        for (int k"

SET_UP = (
    gemm("no block_sync after the barriers' initialisation", "  ww::block_sync();\n", "", "barrier-init-race"),
    gemm("no fence after the barriers' initialisation", "    ww::fence_mbarrier_init();\n", "", "barrier-init-fence"),
    gemm("full takes two arrivals", "mbarrier_init(full + 8 * s, 1)", "mbarrier_init(full + 8 * s, 2)", "deadlock"),
    gemm("empty takes an arrival a group", "4 * kMathGroups);", "kMathGroups);", "too-many-arrivals", *RACES),
    gemm("empty takes one arrival less", "4 * kMathGroups);", "4 * kMathGroups - 1);", "race-write-after-read"),
    gemm("empty takes one arrival more", "4 * kMathGroups);", "4 * kMathGroups + 1);", "deadlock"),
    gemm("one barrier too few", "s < kStages; ++s", "s < kStages - 1; ++s", "barrier-uninitialised"),
    gemm("barriers over the staged output", "kFull = kOut + kMathGroups * kOutBytes", "kFull = kOut",
         "barrier-overwritten"),
    gemm("more registers than there are", "acquire_registers<232>", "acquire_registers<240>", "registers"),
    gemm("registers set by some warps only", "    ww::release_registers<40>();\n",
         "    if (warp == 0) ww::release_registers<40>();\n", "registers"),
)  # fmt: skip
LOADING = (
    gemm("the whole warp loads", "if (warp == 0 && ww::elect_one()) {", "if (warp == 0) {", "too-many-arrivals",
         *RACES),
    gemm("loader waits with the reader's parity", LOADER, LOADER.replace(" ^ 1", ""), "deadlock"),
    gemm("loader never waits", LOADER, "", "race-write-after-read", "copy-late", "too-many-arrivals"),
    gemm("loader always waits for parity 1", LOADER, LOADER.replace("ring.parity ^ 1", "1"), "parity", *RACES),
    gemm("bytes of a alone are expected", "arrive_expect(arrived, kStageBytes)", "arrive_expect(arrived, kABytes)",
         "copy-overrun", "copy-late", *RACES),
    gemm("more bytes are expected than come", "arrive_expect(arrived, kStageBytes)",
         "arrive_expect(arrived, kStageBytes + 16)", "deadlock"),
    gemm("b reports to the barrier of stage 0", "&b_map, arrived, k", "&b_map, full, k", "copy-late", "copy-overrun",
         "deadlock", *RACES),
    gemm("b lands on a", "tma_load(stage + kABytes,", "tma_load(stage + kABytes / 2,", "race-write-after-write"),
    gemm("b lands off its alignment", "tma_load(stage + kABytes,", "tma_load(stage + kABytes + 128,", "misaligned"),
    gemm("b of the next step", "&b_map, arrived, k * kDepth", "&b_map, arrived, (k + 1) * kDepth", NUMBERS),
    gemm("coordinates swapped", "arrived, k * kDepth, tile.row * kRows", "arrived, tile.row * kRows, k * kDepth",
         NUMBERS),
    gemm("the loader's counters start anew with each tile", TILE, TILE.replace("        for",
         "        ring = {};\n        for"),
         "deadlock", "parity", *RACES),
)  # fmt: skip
PRODUCTS = (
    gemm("a does not go on along k", "k_major(kSwizzle, a + 2 * kk)", "k_major(kSwizzle, a)", NUMBERS),
    gemm("b goes on by half", "k_major(kSwizzle, b + 2 * kk)", "k_major(kSwizzle, b + kk)", NUMBERS),
    gemm("both groups take the same rows", "kStageBytes + member * kGroupRows * kDepth * 2", "kStageBytes", NUMBERS),
    gemm("another swizzle than the map's", "kSwizzle, a + 2 * kk", "ww::Swizzle::bytes64, a + 2 * kk", NUMBERS),
    gemm("nothing is accumulated", "b + 2 * kk), true)", "b + 2 * kk), false)", NUMBERS),
    gemm("reader does not wait", READER, "", "uninitialised-read", "race-read-after-write"),
    gemm("reader waits with the loader's parity", READER, READER.replace("ring.parity", "ring.parity ^ 1"), "parity",
         *RACES),
    gemm("no wgmma_fence", "        ww::wgmma_fence();\n", "", "wgmma-fence"),
    gemm("no commit", "        ww::wgmma_commit();\n", "", "wgmma-not-waited", *RACES),
    gemm("another stage than that of the step before is released", RELEASE, RELEASE.replace("before", "ring.stage"),
         "deadlock"),
    KernelMutant("released while the product runs", "gemm_bias_gelu", (
        (RELEASE, "        if (lane == 0) ww::mbarrier_arrive(empty + 8 * ring.stage);\n"),
        (LAST, LAST.split("\n", 1)[0] + "\n")), ("race-write-after-read",)),
    gemm("two products may run, one is released", "wgmma_wait<1>", "wgmma_wait<2>", "race-write-after-read"),
    gemm("the last product is not waited for", LAST, LAST.split("\n", 1)[1], "wgmma-not-waited",
         "race-write-after-read"),
    gemm("the last stage of a tile is not released", LAST, LAST.split("\n", 1)[0] + "\n", "deadlock"),
    gemm("released by every lane", RELEASE, RELEASE.replace(" && lane == 0", ""), "too-many-arrivals", *RACES),
    KernelMutant("released once a group", "gemm_bias_gelu", (
        ("4 * kMathGroups);", "kMathGroups);"), (RELEASE, RELEASE.replace("lane == 0", "thread == 0")),
        (LAST, LAST.replace("lane == 0", "thread == 0"))), ("race-write-after-read",)),
    KernelMutant("a ring of more stages than there are", "gemm_bias_gelu", (("ww::Ring<kStages> ring",
                 "ww::Ring<kStages + 1> ring"),),
                 ("barrier-uninitialised", "deadlock", *RACES)),
    KernelMutant("the reader's counters start anew with each tile", "gemm_bias_gelu",
                 (("      int before = 0;", "      ring = {};\n      int before = 0;"),), ("deadlock", "parity",
                 *RACES)),
)  # fmt: skip
EPILOGUE = (
    gemm("rows of the fragment mistaken", "row = thread / 32 * 16 + lane % 16", "row = thread / 32 * 16 + lane % 8",
         "race-write-after-write"),
    gemm("no swizzle in the stores", "ww::store_matrices(ww::swizzled(kSwizzle, at)", "ww::store_matrices((at)",
         NUMBERS),
    gemm("no proxy fence", "      ww::fence_proxy_async();\n", "", "missing-proxy-fence"),
    gemm("proxy fence after the barrier", FENCE, "".join(line + "\n" for line in reversed(FENCE.splitlines())),
         "missing-proxy-fence"),
    gemm("no barrier before the store", FENCE, FENCE.split("\n", 1)[0] + "\n", *RACES, "uninitialised-read"),
    gemm("no barrier before the tile is staged", LEFT + "      ww::named_barrier_sync(1 + member, 128);\n", LEFT,
         "race-write-after-read"),
    gemm("staged before the tile before has left", LEFT, "", "race-write-after-read"),
    gemm("the block ends while stores read", "    if (stores) ww::tma_store_wait_read<0>();\n  }", "  }",
         "store-not-waited"),
    gemm("stores are never committed", "        ww::tma_store_commit();\n", "", "store-not-waited",
         "race-write-after-read"),
    gemm("one barrier for both groups", "named_barrier_sync(1 + member, 128)", "named_barrier_sync(1, 128)", *RACES,
         "uninitialised-read"),
    gemm("barriers of other thread counts", "named_barrier_sync(1 + member, 128)",
         "named_barrier_sync(1, 128 + 128 * member)", "named-barrier"),
    gemm("bias is read beyond N", "column < N ? ww::load_constant(bias + column) : 0.0f",
         "ww::load_constant(bias + column)", "global-out-of-bounds"),
    norm("rows beyond M are written", "if (lane % 4 == 0 && row < M)", "if (lane % 4 == 0)", "global-out-of-bounds"),
    norm("four lanes write one sum", "if (lane % 4 == 0 && row < M)", "if (row < M)", "global-race"),
    norm("half of the lanes are summed", "        squares[h] += ww::shuffle_xor(squares[h], 2);\n", "", NUMBERS),
    norm("a written buffer read as constant", "squares[h]);",
         "squares[h] + 0.0f * ww::load_constant(norm + row * column_tiles));", "constant-written"),
)  # fmt: skip
ATTENTION = (
    flash("queries are not waited for", "    ww::mbarrier_wait(shared + kQuery, 0);\n", "", "race-read-after-write",
          "uninitialised-read"),
    flash("the next keys are not waited for",
          "        ww::mbarrier_wait(shared + kKeyFull + 8 * keys.stage, keys.parity);\n        issue",
          "        issue", "race-read-after-write", "uninitialised-read"),
    flash("values are not waited for",
          "      ww::mbarrier_wait(shared + kValueFull + 8 * values.stage, values.parity);\n", "",
          "race-read-after-write", "uninitialised-read"),
    flash("out is staged while warps read queries",
          "    ww::named_barrier_sync(1 + member, 128);  // all warps' products have read the queries\n", "",
          "race-write-after-read"),
    flash("the diagonal is hidden", "key <= query", "key < query", NUMBERS),
    flash("sums are not rescaled", "sum[i] *= before[i / 2 % 2];", "sum[i] *= 1.0f;", NUMBERS),
    flash("values taken as K-major", "kDim, ww::Major::mn>", "kDim, ww::Major::k>", NUMBERS, *RACES,
          "uninitialised-read", "shared-out-of-bounds"),
    flash("values of the stage before", "kValue + values.stage * kStageBytes + k * kPanelColumns",
          "kValue + (values.stage ^ 1) * kStageBytes + k * kPanelColumns",
          *RACES, "uninitialised-read"),
    flash("values released under the keys' barrier", "ww::mbarrier_arrive(shared + kValueEmpty + 8 * values.stage)",
          "ww::mbarrier_arrive(shared + kKeyEmpty + 8 * values.stage)", "deadlock", "too-many-arrivals", *RACES),
    flash("weights beside their columns", "weights[i / 8][i / 2 % 4]", "weights[i / 8][i / 2 % 4 ^ 1]", NUMBERS),
)  # fmt: skip
COPIES = (
    sm80("one copy too many in flight", "copy_async_wait<kStages - 2>", "copy_async_wait<kStages - 1>",
         "race-read-after-write", "uninitialised-read"),
    sm80("no barrier", "    ww::block_sync();  // stage k", "    // stage k", "race-read-after-write", *RACES),
    sm80("barrier before the wait", "    ww::copy_async_wait<kStages - 2>();\n    ww::block_sync();",
         "    ww::block_sync();\n    ww::copy_async_wait<kStages - 2>();", "race-read-after-write"),
    sm80("the next tile lands where this one is read", "next % kStages * kStageBytes, a",
         "k % kStages * kStageBytes, a", *RACES),
    sm80("no group where there is no tile", "    }\n    ww::copy_async_commit();\n\n    const",
         "    ww::copy_async_commit();\n    }\n\n    const",
         "race-read-after-write"),
    sm80("columns beyond K are read", "inside ? 16 : 0", "16", NUMBERS),
    sm80("rows beyond M are loaded", "first_row + row < rows && ", "", "global-out-of-bounds"),
    sm80("halves of k swapped", "right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]",
         "right[j / 2][j % 2 * 2 + 1], right[j / 2][j % 2 * 2]", NUMBERS),
    sm80("rows beyond M are stored", "if (row < M)\n", "\n", "global-out-of-bounds"),
    sm80("the thread ends while copies run", "    ww::copy_async_wait<kStages - 2>();\n",
         "    ww::copy_async_wait<kStages>();\n", *RACES, "uninitialised-read"),
)  # fmt: skip

MUTANTS = (*SET_UP, *LOADING, *PRODUCTS, *EPILOGUE, *ATTENTION, *COPIES)

LEGAL = (
    # Bytes may arrive before they are expected: the phase cannot end, since the arrival that announces them is missing.
    gemm("bytes are expected after the copies are issued",
         "          ww::mbarrier_arrive_expect(arrived, kStageBytes);\n"
         "          ww::tma_load(stage, &a_map, arrived, k * kDepth, tile.row * kRows);\n",
         "          ww::tma_load(stage, &a_map, arrived, k * kDepth, tile.row * kRows);\n"
         "          ww::mbarrier_arrive_expect(arrived, kStageBytes);\n"),
    # The products are waited for one step earlier than they need be: slower, nothing else.
    gemm("no product runs beside the next one", "ww::wgmma_wait<1>();", "ww::wgmma_wait<0>();"),
    # The other lanes join it at wgmma_fence, which is aligned, and the product is the warp's.
    gemm("one lane waits for all", READER, "        if (lane == 0)" + READER.replace("        ", " ", 1)),
    # The loader fills the values' stage first, and its arrivals come after wgmma_wait<0>, which covers both products.
    flash("the next keys are released before they are read", "        ww::wgmma_wait<1>();\n", ""),
    # Copies that nobody will read: the last wait leaves none of a tile, and those of groups without a tile are empty.
    sm80("no wait behind the loop", "  ww::copy_async_wait<0>();\n", ""),
)  # fmt: skip
