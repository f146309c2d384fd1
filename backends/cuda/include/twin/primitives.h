// The device primitives on the host. What each guarantees, and who calls it, stands in device/; here each passes its source
// line on to the emulator, so that a finding can name it.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#define WW_DEVICE inline
#define WW_UNROLL
#define WW_NO_UNROLL
#define WW_KERNEL(threads, blocks) void
#define WW_TENSOR_MAP(name) const ww::TensorMap name
#define WW_LINE int line = __builtin_LINE()

#include "common/numbers.h"
#include "common/layout.h"

namespace ww {

// A tensor of up to 5 dims in global memory and the box that TMA moves; innermost dim first, strides in bytes.
struct alignas(64) TensorMap {
  void* base;
  int64_t sizes[5], strides[5];
  int32_t box[5], rank, element_bytes, swizzle;
};

namespace twin {
enum class Type : int { bf16, f16, e4m3, e5m2, s8 };
template <class T> constexpr Type type_of();
template <> constexpr Type type_of<ww::bf16>() { return Type::bf16; }
template <> constexpr Type type_of<ww::f16>() { return Type::f16; }
template <> constexpr Type type_of<ww::e4m3>() { return Type::e4m3; }
template <> constexpr Type type_of<ww::e5m2>() { return Type::e5m2; }
template <> constexpr Type type_of<ww::s8>() { return Type::s8; }

struct Operands {  // of one wgmma
  uint64_t a, b;
  const uint32_t* a_registers;  // or null
  Type type;
  Major major_a, major_b;
  bool sum;
};

void read_shared(uint32_t address, void* value, int bytes, int line);
void write_shared(uint32_t address, const void* value, int bytes, int line);
bool read_global(const void* p, int bytes, bool constant, int line);  // false: out of bounds, and reported
bool write_global(void* p, int bytes, int line);
void tma(bool load, uint32_t shared, const TensorMap* map, uint32_t barrier, int rank, const int* at, int line);
void bulk_wait(int pending, bool read, int line);
void copy_async(uint32_t target, const void* source, int bytes, int width, int line);
void copy_wait(int pending, int line);
void set_registers(int count, bool increase, int line);
void product(float* accumulator, int n, const Operands& operands, int line);
void product_wait(int pending, int line);
void ldmatrix(uint32_t (&r)[4], uint32_t row, bool transposed, int line);
void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, Type type, int line);
uint32_t pack(float low, float high, Type type);
float widen(uint32_t bits, Type type);
}  // namespace twin

// ---- thread.h -------------------------------------------------------------------------------------------------------
int thread_index();
int block_threads();
int block_index();
int block_count();
inline int lane_index() { return thread_index() & 31; }
inline int warp_index() { return thread_index() / 32; }
bool elect_one(WW_LINE);
template <int kRegisters> void release_registers(WW_LINE) {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256, "setmaxnreg takes multiples of 8 in 24..256");
  twin::set_registers(kRegisters, false, line);
}
template <int kRegisters> void acquire_registers(WW_LINE) {
  static_assert(kRegisters % 8 == 0 && kRegisters >= 24 && kRegisters <= 256, "setmaxnreg takes multiples of 8 in 24..256");
  twin::set_registers(kRegisters, true, line);
}
void block_sync(WW_LINE);
bool block_any(bool value, WW_LINE);
void warp_sync(WW_LINE);
void named_barrier_sync(int id, int threads, WW_LINE);
void named_barrier_arrive(int id, int threads, WW_LINE);
float shuffle_xor(float value, int mask, WW_LINE);
void role(const char* name);
void label(uint32_t address, const char* name, int index);

// ---- memory.h -------------------------------------------------------------------------------------------------------
uint32_t shared_memory();
template <class T> T load_shared(uint32_t address, WW_LINE) {
  T value;
  twin::read_shared(address, &value, sizeof value, line);
  return value;
}
template <class T>
void store_shared(uint32_t address, T value, WW_LINE) {
  twin::write_shared(address, &value, sizeof value, line);
}
template <class T> T load_global(const T* p, WW_LINE) { return twin::read_global(p, sizeof(T), false, line) ? *p : T{}; }
template <class T> T load_constant(const T* p, WW_LINE) { return twin::read_global(p, sizeof(T), true, line) ? *p : T{}; }
template <class T> void store_global(T* p, T value, WW_LINE) {
  if (twin::write_global(p, sizeof(T), line)) *p = value;
}
void atomic_add(float* p, float value, WW_LINE);
int atomic_add_ordered(int* p, int value, WW_LINE);
void store_release(int* p, int value, WW_LINE);
void wait_for(const int* p, int value, WW_LINE);
template <class T> uint32_t pack(float low, float high) { return twin::pack(low, high, twin::type_of<T>()); }
template <class T> float widen(uint16_t bits) { return twin::widen(bits, twin::type_of<T>()); }
template <class T> float low(uint32_t pair) { return widen<T>(uint16_t(pair)); }
template <class T> float high(uint32_t pair) { return widen<T>(uint16_t(pair >> 16)); }

// ---- mbarrier.h -----------------------------------------------------------------------------------------------------
void mbarrier_init(uint32_t barrier, uint32_t arrivals, WW_LINE);
void fence_mbarrier_init(WW_LINE);
void fence_proxy_async(WW_LINE);
void mbarrier_arrive(uint32_t barrier, WW_LINE);
void mbarrier_arrive_expect(uint32_t barrier, uint32_t bytes, WW_LINE);
void mbarrier_wait(uint32_t barrier, uint32_t parity, WW_LINE);

// ---- tma.h ----------------------------------------------------------------------------------------------------------
// One more int would be taken for a coordinate, so that the line stands in the map's place.
struct Map {
  const TensorMap* map;
  int line;
  Map(const TensorMap* m, int at = __builtin_LINE()) : map(m), line(at) {}
};
inline void tma_prefetch(const TensorMap*) {}
template <class... At> void tma_load(uint32_t target, Map map, uint32_t barrier, At... at) {
  const int coordinates[] = {at...};
  twin::tma(true, target, map.map, barrier, sizeof...(at), coordinates, map.line);
}
template <class... At> void tma_store(Map map, uint32_t source, At... at) {
  const int coordinates[] = {at...};
  twin::tma(false, source, map.map, 0, sizeof...(at), coordinates, map.line);
}
void tma_store_commit(WW_LINE);
template <int kPending> void tma_store_wait_read(WW_LINE) { twin::bulk_wait(kPending, true, line); }
template <int kPending> void tma_store_wait(WW_LINE) { twin::bulk_wait(kPending, false, line); }

// ---- wgmma.h --------------------------------------------------------------------------------------------------------
void wgmma_fence(WW_LINE);
void wgmma_commit(WW_LINE);
template <int kPending> void wgmma_wait(WW_LINE) { twin::product_wait(kPending, line); }
template <class T, int kN, Major kA = Major::k, Major kB = Major::k>
void wgmma(float (&d)[kN / 2], uint64_t a, uint64_t b, bool sum, WW_LINE) {
  twin::product(d, kN, {a, b, nullptr, twin::type_of<T>(), kA, kB, sum}, line);
}
template <class T, int kN> void wgmma(int (&d)[kN / 2], uint64_t a, uint64_t b, bool sum, WW_LINE) {
  static_assert(twin::type_of<T>() == twin::Type::s8, "sums are integers where the operands are");
  twin::product(reinterpret_cast<float*>(d), kN, {a, b, nullptr, twin::Type::s8, Major::k, Major::k, sum}, line);
}
template <class T, int kN, Major kB = Major::k>
void wgmma(float (&d)[kN / 2], const uint32_t (&a)[4], uint64_t b, bool sum, WW_LINE) {
  twin::product(d, kN, {0, b, a, twin::type_of<T>(), Major::k, kB, sum}, line);
}

// ---- sm80.h ---------------------------------------------------------------------------------------------------------
template <int kWidth = 16> void copy_async(uint32_t target, const void* source, int bytes, WW_LINE) {
  static_assert(kWidth == 16 || kWidth == 8 || kWidth == 4, "cp.async takes 16, 8 or 4 bytes");
  twin::copy_async(target, source, bytes, kWidth, line);
}
void copy_async_commit(WW_LINE);
void copy_async_arrive(uint32_t barrier, WW_LINE);
template <int kPending> void copy_async_wait(WW_LINE) { twin::copy_wait(kPending, line); }
inline void load_matrices(uint32_t (&r)[4], uint32_t row, WW_LINE) { twin::ldmatrix(r, row, false, line); }
inline void load_matrices_transposed(uint32_t (&r)[4], uint32_t row, WW_LINE) { twin::ldmatrix(r, row, true, line); }
void store_matrices(uint32_t row, const uint32_t (&r)[4], WW_LINE);
template <class T> void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, WW_LINE) {
  twin::mma(c, a, b0, b1, twin::type_of<T>(), line);
}

// ---- math.h ---------------------------------------------------------------------------------------------------------
inline float exp2(float x) { return ::exp2f(x); }
inline float reciprocal(float x) { return 1.0f / x; }
inline float rsqrt(float x) { return 1.0f / ::sqrtf(x); }
inline float erf(float x) { return ::erff(x); }
inline float infinity() { return INFINITY; }

}  // namespace ww
