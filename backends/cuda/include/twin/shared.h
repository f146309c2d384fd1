// Shared memory of a block and its shadow: for every 4 bytes, who wrote them and who has read them since.
#pragma once
#include <cstdint>
#include <vector>

#include "twin/clock.h"
#include "twin/findings.h"

namespace ww::twin {

constexpr uint32_t kSharedBase = 1024;  // its address: not 0, so that a forgotten base shows
constexpr uint32_t kGranule = 4;

// Who accesses: `width` actors at once (the 4 warps of a wgmma read B together), each with its view.
struct Access {
  const View* views[4];
  int actor, width;
  Time time;
  bool async;
  int line;
  const char* who;
};

class SharedMemory {
 public:
  SharedMemory(int block, uint32_t bytes, Findings& findings);
  // Reported, and false, where [address, address + bytes) is not inside.
  bool read(uint32_t address, uint32_t bytes, const Access& access);
  bool write(uint32_t address, uint32_t bytes, const Access& access);
  void hold_barrier(uint32_t address);
  uint8_t* at(uint32_t address) { return &bytes_[address - kSharedBase]; }

 private:
  struct Reader {
    int actor, width, line;
    Time time;
  };
  struct Shadow {
    int writer = -1, line = 0;  // -1: nobody
    Time time = 0;
    bool async = false, barrier = false;
    std::vector<Reader> readers;
  };
  bool inside(uint32_t address, uint32_t bytes, const Access& access);
  void read_granule(uint32_t address, Shadow& shadow, const Access& access);
  void write_granule(uint32_t address, Shadow& shadow, const Access& access);

  int block_;
  Findings& findings_;
  std::vector<uint8_t> bytes_;
  std::vector<Shadow> shadow_;
};

}  // namespace ww::twin
