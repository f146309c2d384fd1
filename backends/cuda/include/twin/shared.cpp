#include "twin/shared.h"

namespace ww::twin {

SharedMemory::SharedMemory(int block, uint32_t bytes, Findings& findings)
    : block_(block), findings_(findings), bytes_(bytes, 0xff), shadow_((bytes + kGranule - 1) / kGranule) {}  // 0xff..: NaN

bool SharedMemory::inside(uint32_t address, uint32_t bytes, const Access& access) {
  if (address >= kSharedBase && address + bytes <= kSharedBase + bytes_.size()) return true;
  findings_.add(Kind::shared_out_of_bounds, block_, access.line, 0, "%s accesses %u bytes at shared +0x%x, of 0x%zx",
                access.who, bytes, address - kSharedBase, bytes_.size());
  return false;
}

bool SharedMemory::read(uint32_t address, uint32_t bytes, const Access& access) {
  if (!inside(address, bytes, access)) return false;
  for (uint32_t g = (address - kSharedBase) / kGranule; g <= (address - kSharedBase + bytes - 1) / kGranule; ++g)
    read_granule(g * kGranule, shadow_[g], access);
  return true;
}

bool SharedMemory::write(uint32_t address, uint32_t bytes, const Access& access) {
  if (!inside(address, bytes, access)) return false;
  for (uint32_t g = (address - kSharedBase) / kGranule; g <= (address - kSharedBase + bytes - 1) / kGranule; ++g)
    write_granule(g * kGranule, shadow_[g], access);
  return true;
}

void SharedMemory::hold_barrier(uint32_t address) {
  for (uint32_t i = 0; i < 8; i += kGranule) shadow_[(address - kSharedBase + i) / kGranule].barrier = true;
}

void SharedMemory::read_granule(uint32_t at, Shadow& shadow, const Access& access) {
  if (shadow.writer < 0) {
    findings_.add(Kind::uninitialised_read, block_, access.line, 0, "%s reads shared +0x%x, which nothing has written",
                  access.who, at);
  }
  for (int i = 0; i < access.width && shadow.writer >= 0; ++i) {
    const View& view = *access.views[i];
    if (!view.all.knows(shadow.writer, shadow.time)) {
      findings_.add(Kind::race_read_write, block_, access.line, shadow.line,
                    "%s reads shared +0x%x, not ordered after the write at line %d", access.who, at, shadow.line);
    } else if (access.async && !shadow.async && !view.async.knows(shadow.writer, shadow.time)) {
      findings_.add(Kind::missing_proxy_fence, block_, access.line, shadow.line,
                    "%s reads shared +0x%x through the asynchronous proxy; the writer at line %d has not fenced",
                    access.who, at, shadow.line);
    }
  }
  // Readers that this one knows of need not be remembered: whoever knows of this one knows of them.
  auto& readers = shadow.readers;
  const View& view = *access.views[0];
  const auto known = [&](const Reader& r) {
    if (r.actor == access.actor && r.width == access.width) return true;
    for (int i = 0; i < r.width; ++i)
      if (!view.all.knows(r.actor + i, r.time)) return false;
    return true;
  };
  readers.erase(std::remove_if(readers.begin(), readers.end(), known), readers.end());
  readers.push_back({access.actor, access.width, access.line, access.time});
}

void SharedMemory::write_granule(uint32_t at, Shadow& shadow, const Access& access) {
  const View& view = *access.views[0];
  if (shadow.barrier)
    findings_.add(Kind::barrier_overwritten, block_, access.line, 0, "%s writes over the mbarrier at shared +0x%x",
                  access.who, at);
  if (shadow.writer >= 0 && shadow.writer != access.actor) {
    if (!view.all.knows(shadow.writer, shadow.time)) {
      findings_.add(Kind::race_write_write, block_, access.line, shadow.line,
                    "%s writes shared +0x%x, not ordered after the write at line %d", access.who, at, shadow.line);
    } else if (access.async && !shadow.async && !view.async.knows(shadow.writer, shadow.time)) {
      findings_.add(Kind::missing_proxy_fence, block_, access.line, shadow.line,
                    "%s writes shared +0x%x through the asynchronous proxy; the writer at line %d has not fenced",
                    access.who, at, shadow.line);
    }
  }
  for (const Reader& r : shadow.readers) {
    for (int i = 0; i < r.width; ++i) {
      if (view.all.knows(r.actor + i, r.time)) continue;
      findings_.add(Kind::race_write_read, block_, access.line, r.line,
                    "%s writes shared +0x%x, not ordered after the read at line %d", access.who, at, r.line);
      break;
    }
  }
  shadow.readers.clear();
  shadow.writer = access.actor;
  shadow.time = access.time;
  shadow.line = access.line;
  shadow.async = access.async;
}

}  // namespace ww::twin
