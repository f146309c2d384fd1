// What the emulator found: each kind of mistake once for each pair of source lines.
#pragma once
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace ww::twin {

enum class Kind {
  race_read_write, race_write_read, race_write_write, uninitialised_read, missing_proxy_fence,
  shared_out_of_bounds, global_out_of_bounds, global_race, read_only_written, constant_written, misaligned,
  barrier_uninitialised, barrier_init_race, barrier_init_fence, barrier_overwritten, too_many_arrivals, parity,
  copy_late, copy_overrun, copy_left, store_not_waited, copies_not_waited,
  wgmma_fence, wgmma_diverged, wgmma_not_waited, wgmma_descriptor,
  registers, diverged, named_barrier, deadlock, livelock,
};

struct Finding {
  Kind kind;
  int block, line, other_line;
  std::string message;
};

class Findings {
 public:
  // `other_line`: of the other party, or 0. Formats as printf does.
  void add(Kind kind, int block, int line, int other_line, const char* format, ...) __attribute__((format(printf, 6, 7)));
  std::string json() const;
  bool empty() const { return list_.empty(); }
  void clear();

 private:
  std::vector<Finding> list_;
  std::set<std::tuple<Kind, int, int>> seen_;
};

std::string quoted(const std::string& text);  // as a JSON string

}  // namespace ww::twin
