// What memory holds, in few words, and whether it still holds it.
//
// A range has one digest of a few lines of it, which are looked at in every call, and one of each chunk, of which calls
// take turns. Any change of one word changes a digest; of several, all but one in 2^64.
#include <stdint.h>
#include <string.h>

namespace {

constexpr int64_t CHUNK = 1 << 16, LINE = 64, LANES = 8, AHEAD = 8;
constexpr int64_t PLACES[] = {121, 391, 633, 903};  // of the lines, in 1024ths of the range
constexpr int64_t LINES = sizeof(PLACES) / sizeof(PLACES[0]);

struct WwRange {
  const uint8_t* data;
  int64_t bytes;
  uint64_t* digests;  // of the lines, then of each chunk
};

inline uint64_t mixed(uint64_t sum, uint64_t word) { return (((sum << 27) | (sum >> 37)) ^ word) * 0x9E3779B97F4A7C15u; }

inline uint64_t word_at(const uint8_t* data, int64_t bytes = 8) {
  uint64_t word = 0;
  memcpy(&word, data, bytes);
  return word;
}

uint64_t digest(const uint8_t* data, int64_t bytes, uint64_t sum) {
  uint64_t lanes[LANES] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (; bytes >= LINE; data += LINE, bytes -= LINE)
    for (int64_t i = 0; i < LANES; ++i) lanes[i] = mixed(lanes[i], word_at(data + 8 * i));
  for (uint64_t lane : lanes) sum = mixed(sum, lane);
  for (; bytes >= 8; data += 8, bytes -= 8) sum = mixed(sum, word_at(data));
  return bytes ? mixed(sum, word_at(data, bytes)) : sum;
}

inline const uint8_t* line(const WwRange& range, int64_t i) {
  return range.data + (range.bytes - LINE) / 1024 * PLACES[i] + (range.bytes - LINE) % 1024 * PLACES[i] / 1024;
}

uint64_t lines(const WwRange& range) {
  if (range.bytes <= LINES * LINE) return digest(range.data, range.bytes, 0);
  uint64_t sum = 0;
  for (int64_t i = 0; i < LINES; ++i) sum = digest(line(range, i), LINE, sum);
  return sum;
}

inline int64_t chunk_bytes(const WwRange& range, int64_t chunk) {
  const int64_t rest = range.bytes - chunk * CHUNK;
  return rest < CHUNK ? rest : CHUNK;
}

inline uint64_t chunk_digest(const WwRange& range, int64_t chunk) {
  return digest(range.data + chunk * CHUNK, chunk_bytes(range, chunk), 0);
}

inline int64_t put(uint64_t& place, uint64_t value) {
  const bool differs = place != value;
  place = value;
  return differs;
}

}  // namespace

// Reads all of a range; how many of its digests are others than before.
extern "C" int64_t ww_read(const WwRange* range) {
  int64_t changed = put(range->digests[0], lines(*range));
  for (int64_t chunk = 0; chunk * CHUNK < range->bytes; ++chunk)
    changed += put(range->digests[1 + chunk], chunk_digest(*range, chunk));
  return changed;
}

// Whether the lines of all ranges are as they were, and `share` bytes from the chunk on at which `cursor` stands (number of the
// range, number of its chunk), which moves on. No range is empty.
extern "C" int64_t ww_same(const WwRange* ranges, int64_t count, int64_t* cursor, int64_t share) {
  for (int64_t i = 0; i < count; ++i) {
    if (i + AHEAD < count && ranges[i + AHEAD].bytes > LINE)
      for (int64_t k = 0; k < LINES; ++k) __builtin_prefetch(line(ranges[i + AHEAD], k));
    if (lines(ranges[i]) != ranges[i].digests[0]) return 0;
  }
  int64_t at = cursor[0] < count ? cursor[0] : 0, chunk = cursor[0] < count ? cursor[1] : 0;
  while (share > 0) {
    const WwRange& range = ranges[at];
    if (chunk_digest(range, chunk) != range.digests[1 + chunk]) return 0;
    share -= chunk_bytes(range, chunk++);
    if (chunk * CHUNK < range.bytes) continue;
    at = at + 1 < count ? at + 1 : 0;
    chunk = 0;
  }
  cursor[0] = at;
  cursor[1] = chunk;
  return 1;
}
