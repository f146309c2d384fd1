// Counters of a ring of stages, one ring per role.
#pragma once

namespace ww {

// Which stage is next, and the parity of its phase. Counters run on across tiles: they are never reset, since the barriers
// are not. `full` barriers are waited for with `parity`, `empty` ones (which start as completed) with `parity ^ 1`.
template <int kStages> struct Ring {
  int stage = 0;
  uint32_t parity = 0;
  WW_DEVICE void advance() {  // [thread]
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

}  // namespace ww
