// Global memory: the launch's buffers, with bounds, and for those that are written a shadow per element that sees races
// between threads, and between blocks.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "twin/clock.h"
#include "twin/findings.h"

namespace ww::twin {

struct Buffer {
  std::string name;
  char* base;
  size_t bytes;
  int element_bytes;
  bool written;
};

enum class Touch { read, write, atomic, constant };  // constant: a read through the read-only cache

struct GlobalAccess {
  Touch touch;
  int block, actor;
  Time time;
  const Clock& view;
  int line;
  const char* who;
};

class GlobalMemory {
 public:
  explicit GlobalMemory(Findings& findings) : findings_(findings) {}
  void add(const Buffer& buffer);
  // Reported, and false, where the bytes are not inside one buffer, or not to be written.
  bool touch(const void* p, size_t bytes, const GlobalAccess& access);
  std::map<int, Clock>& released(const void* p) { return released_[p]; }  // at an address: by block, what its threads knew

 private:
  struct Record {
    int block = -1, actor = 0, line = 0;
    Time time = 0;
    Touch touch = Touch::read;
  };
  struct Shadow {
    Record write;
    std::vector<Record> reads;
  };
  struct Entry {
    Buffer buffer;
    std::vector<Shadow> shadow;
  };
  void touch_element(Shadow& shadow, const GlobalAccess& access, const Entry& entry, size_t element);
  void report(const Record& other, const GlobalAccess& access, const Entry& entry, size_t element);

  Findings& findings_;
  std::vector<Entry> entries_;
  std::map<const void*, std::map<int, Clock>> released_;
};

}  // namespace ww::twin
