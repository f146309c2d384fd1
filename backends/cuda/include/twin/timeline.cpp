#include "twin/timeline.h"

#include <map>

#include "twin/findings.h"

namespace ww::twin {

void Timeline::span(int block, const std::string& track, const std::string& name, uint64_t begin, uint64_t end, int line) {
  if (on) spans_.push_back({block, track, name, begin, end, line});
}

std::string Timeline::json() const {
  std::map<std::pair<int, std::string>, int> tracks;
  std::string out = "{\"traceEvents\": [";
  const char* separator = "\n";
  for (const Span& s : spans_) {
    const auto [at, fresh] = tracks.insert({{s.block, s.track}, int(tracks.size()) + 1});
    const std::string place = "\"pid\": " + std::to_string(s.block) + ", \"tid\": " + std::to_string(at->second);
    if (fresh) {
      out += separator + std::string("{\"ph\": \"M\", \"name\": \"thread_name\", ") + place +
             ", \"args\": {\"name\": " + quoted(s.track) + "}}";
      separator = ",\n";
    }
    out += separator + std::string("{\"ph\": \"X\", \"name\": ") + quoted(s.name) + ", " + place +
           ", \"ts\": " + std::to_string(s.begin) + ", \"dur\": " + std::to_string(s.end - s.begin) +
           ", \"args\": {\"line\": " + std::to_string(s.line) + "}}";
  }
  return out + "\n]}\n";
}

}  // namespace ww::twin
