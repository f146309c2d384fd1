// The emulator in one translation unit, and what Python calls of it.
#include "twin/block.cpp"
#include "twin/fiber.cpp"
#include "twin/findings.cpp"
#include "twin/global.cpp"
#include "twin/machine.cpp"
#include "twin/mbarrier.cpp"
#include "twin/memory.cpp"
#include "twin/numbers.cpp"
#include "twin/schedule.cpp"
#include "twin/shared.cpp"
#include "twin/sm80.cpp"
#include "twin/sync.cpp"
#include "twin/timeline.cpp"
#include "twin/tma.cpp"
#include "twin/wgmma.cpp"

namespace {
std::string findings_text, timeline_text;
}

extern "C" {

struct WwBuffer {
  const char* name;
  void* base;
  int64_t bytes, element_bytes, written;
};

struct WwLaunch {
  void (*invoke)(void**);
  void** arguments;
  const WwBuffer* buffers;
  const char* schedule;
  int64_t n_buffers, blocks, threads, shared_bytes, registers, resident, seed, timeline;
};

const char* ww_twin_schedules() { return ww::twin::schedules(); }

// Runs a launch to its end; the number of its steps, or -1 where there is no such schedule.
int64_t ww_twin_run(const WwLaunch* what) {
  using namespace ww::twin;
  const Schedule* const schedule = find_schedule(what->schedule);
  if (!schedule) return -1;
  Machine running({what->invoke, what->arguments, int(what->blocks), int(what->threads), uint32_t(what->shared_bytes),
                   int(what->registers), int(what->resident), schedule, uint64_t(what->seed), what->timeline != 0});
  for (int64_t i = 0; i < what->n_buffers; ++i) {
    const WwBuffer& b = what->buffers[i];
    running.global.add({b.name, static_cast<char*>(b.base), size_t(b.bytes), int(b.element_bytes), b.written != 0});
  }
  machine = &running;
  running.run();
  machine = nullptr;
  findings_text = running.findings.json();
  timeline_text = running.timeline.on ? running.timeline.json() : "";
  return int64_t(running.step);
}

// Of the last run, as JSON.
const char* ww_twin_findings() { return findings_text.c_str(); }
const char* ww_twin_timeline() { return timeline_text.c_str(); }
}
