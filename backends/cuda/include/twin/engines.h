// What the engines share: barriers that copies complete, and element types.
#pragma once
#include "twin/machine.h"

namespace ww::twin {

// The barrier, or null; reported where it is not there, or not yet for this user.
Mbarrier* find_mbarrier(Block& block, uint32_t address, const View& view, bool engine, int line);
void end_phase_if_complete(Mbarrier& barrier);
// One arrival, and `bytes` to come, by someone who knows of the barrier by `view`; those who wait learn what `told` knows. False: reported.
bool arrive_at(Block& block, uint32_t address, const View& view, const View& told, uint32_t bytes, int line);

// Elements of a type as floats, exactly.
void widen_all(Type type, const uint8_t* from, int count, float* to);
inline int bytes_of(Type type) { return type == Type::bf16 || type == Type::f16 ? 2 : 1; }

}  // namespace ww::twin
