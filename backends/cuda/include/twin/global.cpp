#include "twin/global.h"

namespace ww::twin {

namespace {
const char* const kTouches[] = {"read", "write", "atomic operation", "constant read"};
}

void GlobalMemory::add(const Buffer& buffer) {
  entries_.push_back({buffer, std::vector<Shadow>(buffer.written ? buffer.bytes / buffer.element_bytes : 0)});
}

bool GlobalMemory::touch(const void* p, size_t bytes, const GlobalAccess& access) {
  const char* const begin = static_cast<const char*>(p);
  for (Entry& entry : entries_) {
    const Buffer& buffer = entry.buffer;
    if (begin < buffer.base || begin + bytes > buffer.base + buffer.bytes) continue;
    const bool reads = access.touch == Touch::read || access.touch == Touch::constant;
    if (access.touch == Touch::constant && buffer.written)
      findings_.add(Kind::constant_written, access.block, access.line, 0,
                    "%s reads %s as constant, and the kernel writes it", access.who, buffer.name.c_str());
    if (!reads && !buffer.written) {
      findings_.add(Kind::read_only_written, access.block, access.line, 0, "%s writes to %s, which is only read",
                    access.who, buffer.name.c_str());
      return false;
    }
    if (buffer.written) {
      const size_t first = (begin - buffer.base) / buffer.element_bytes,
                   last = (begin - buffer.base + bytes - 1) / buffer.element_bytes;
      for (size_t e = first; e <= last; ++e) touch_element(entry.shadow[e], access, entry, e);
    }
    return true;
  }
  findings_.add(Kind::global_out_of_bounds, access.block, access.line, 0, "%s: %s of %zu bytes outside every buffer",
                access.who, kTouches[int(access.touch)], bytes);
  return false;
}

void GlobalMemory::touch_element(Shadow& shadow, const GlobalAccess& access, const Entry& entry, size_t element) {
  const auto ordered = [&](const Record& r) {
    return r.block < 0 || (r.block == access.block && r.actor == access.actor) ||
           (r.touch == Touch::atomic && access.touch == Touch::atomic) ||
           access.view.knows(access.block, r.block, r.actor, r.time);
  };
  if (!ordered(shadow.write)) report(shadow.write, access, entry, element);
  const Record now{access.block, access.actor, access.line, access.time, access.touch};
  if (access.touch == Touch::read || access.touch == Touch::constant) {
    if (shadow.reads.empty() || shadow.reads.back().actor != now.actor || shadow.reads.back().block != now.block)
      shadow.reads.push_back(now);
    else shadow.reads.back() = now;
    return;
  }
  for (const Record& r : shadow.reads)
    if (!ordered(r)) report(r, access, entry, element);
  shadow.reads.clear();
  shadow.write = now;
}

void GlobalMemory::report(const Record& other, const GlobalAccess& access, const Entry& entry, size_t element) {
  findings_.add(Kind::global_race, access.block, access.line, other.line,
                "%s: %s of %s[%zu], not ordered after the %s at line %d by block %d", access.who,
                kTouches[int(access.touch)], entry.buffer.name.c_str(), element, kTouches[int(other.touch)], other.line,
                other.block);
}

}  // namespace ww::twin
