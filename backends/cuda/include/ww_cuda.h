// The device primitives: the only way in which a generated CUDA kernel touches the hardware. Everything is in namespace ww.
//
//   device/   inline PTX, for NVRTC (no include paths needed) or nvcc: sm_80, and with sm_90a also TMA and wgmma
//   twin/     the same names for the host (-DWW_TWIN): the emulator, which runs the same source and reports its mistakes
//   common/   what both share: where elements lie, ring counters, the walk over tiles, elementwise mathematics
//
// Each primitive's line in device/ says what it guarantees and who calls it:
//   [thread]     any thread, alone                [one]        one elected thread, for all
//   [warp]       all 32 lanes, converged          [warpgroup]  all 4 warps, each converged
//   [block]      every thread of the block
#pragma once
#ifdef WW_TWIN
#include "twin/primitives.h"
#else
#include "device/types.h"
#include "common/numbers.h"
#include "common/layout.h"
#include "device/thread.h"
#include "device/memory.h"
#include "device/mbarrier.h"
#include "device/tma.h"
#include "device/wgmma.h"
#include "device/sm80.h"
#include "device/math.h"
#endif
#include "common/ring.h"
#include "common/tiles.h"
#include "common/math.h"
#include "common/elementwise.h"
#include "common/fragments.h"
#include "common/sm80.h"
