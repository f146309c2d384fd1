#include "twin/findings.h"

#include <cstdarg>
#include <cstdio>

namespace ww::twin {
namespace {

struct Advice {
  const char *name, *next;
};

const Advice kAdvice[] = {  // in the order of Kind
    {"race-read-after-write", "wait for the barrier that the writer arrives at before reading"},
    {"race-write-after-read", "let the readers arrive at a barrier, and wait for it before writing again"},
    {"race-write-after-write", "put a barrier between the two writes, or give each its own memory"},
    {"uninitialised-read", "wait for the copy that fills it, or write it first"},
    {"missing-proxy-fence", "fence_proxy_async in each writing thread, before the barrier that tells the reader"},
    {"shared-out-of-bounds", "check the address, and the bytes of shared memory of the launch"},
    {"global-out-of-bounds", "guard the access with the sizes"},
    {"global-race", "order the two by a barrier, or between blocks by atomic_add_ordered or store_release"},
    {"read-only-written", "say in the launch description that the buffer is written"},
    {"constant-written", "load_global what the kernel writes"},
    {"misaligned", "align it as the primitive's line in device/ says"},
    {"barrier-uninitialised", "mbarrier_init it before block_sync"},
    {"barrier-init-race", "block_sync between mbarrier_init and its first use"},
    {"barrier-init-fence", "fence_mbarrier_init after mbarrier_init, before block_sync"},
    {"barrier-overwritten", "keep barriers apart from the tiles"},
    {"too-many-arrivals", "make the count of mbarrier_init that of the threads that arrive"},
    {"parity", "wait once a phase, with the parity of the ring's counter"},
    {"copy-late", "expect the bytes of every copy in the phase that it belongs to"},
    {"copy-overrun", "expect as many bytes as the boxes have"},
    {"copy-left", "wait for every phase that has copies before the block ends"},
    {"store-not-waited", "tma_store_commit, then tma_store_wait_read<0>, in the thread that stored"},
    {"copies-not-waited", "copy_async_wait<0> before the thread ends"},
    {"wgmma-fence", "wgmma_fence before the first product, and after registers were touched"},
    {"wgmma-diverged", "let all threads of the warpgroup issue the same products"},
    {"wgmma-not-waited", "wgmma_wait<0> before the thread ends"},
    {"wgmma-descriptor", "a start, leading and stride offset that the swizzle allows"},
    {"registers", "make the register counts of the warpgroups sum to at most 65536 a block"},
    {"diverged", "let all lanes of the warp come to the same instruction"},
    {"named-barrier", "one thread count for a barrier id, a multiple of 32"},
    {"deadlock", "see who waits for what; count arrivals and phases"},
    {"livelock", "the loop that does not end is one of those named"},
};
static_assert(sizeof kAdvice / sizeof *kAdvice == size_t(Kind::livelock) + 1, "one row for each kind");

}  // namespace

void Findings::add(Kind kind, int block, int line, int other_line, const char* format, ...) {
  if (!seen_.insert({kind, line, other_line}).second) return;
  char text[1024];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  list_.push_back({kind, block, line, other_line, text});
}

void Findings::clear() {
  list_.clear();
  seen_.clear();
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + '"';
}

std::string Findings::json() const {
  std::string out = "[";
  for (const Finding& f : list_) {
    const Advice& advice = kAdvice[int(f.kind)];
    out += (out.size() > 1 ? ", " : "") + std::string("{\"kind\": ") + quoted(advice.name) +
           ", \"block\": " + std::to_string(f.block) + ", \"line\": " + std::to_string(f.line) +
           ", \"other_line\": " + std::to_string(f.other_line) + ", \"message\": " + quoted(f.message) +
           ", \"next\": " + quoted(advice.next) + "}";
  }
  return out + "]";
}

}  // namespace ww::twin
