// What each warp waited for and what each engine did, as Chrome's trace format, which Perfetto shows. A microsecond of it is
// one step of the scheduler: the order is real, durations are not.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ww::twin {

class Timeline {
 public:
  bool on = false;
  void span(int block, const std::string& track, const std::string& name, uint64_t begin, uint64_t end, int line);
  std::string json() const;

 private:
  struct Span {
    int block;
    std::string track, name;
    uint64_t begin, end;
    int line;
  };
  std::vector<Span> spans_;
};

}  // namespace ww::twin
