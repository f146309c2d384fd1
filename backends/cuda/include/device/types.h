// Types and the words that kernels are written with.
#pragma once
#ifdef __CUDACC_RTC__
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long int64_t;
typedef unsigned long uint64_t;
#else
#include <stdint.h>
#endif

#define WW_DEVICE __device__ __forceinline__
#define WW_UNROLL _Pragma("unroll")
#define WW_NO_UNROLL _Pragma("unroll 1")
// A kernel of blocks of exactly `threads` threads, of which at least `blocks` fit an SM.
#define WW_KERNEL(threads, blocks) __global__ void __launch_bounds__(threads, blocks)
// A parameter that is a tensor map: lies in constant memory, where TMA reads it.
#define WW_TENSOR_MAP(name) const __grid_constant__ ww::TensorMap name

namespace ww {

// What TMA knows of a tensor and its box: a CUtensorMap, made by the launcher.
struct alignas(64) TensorMap { uint64_t opaque[16]; };

}  // namespace ww
