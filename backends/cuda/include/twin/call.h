// Calls a kernel with arguments given by their addresses, as cudaLaunchKernel does.
#pragma once
#include <type_traits>
#include <utility>

namespace ww::twin {

template <class... P, size_t... I> void call_with(void (*kernel)(P...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<std::remove_const_t<P>*>(arguments[I])...);
}
template <class... P>
void call(void (*kernel)(P...), void** arguments) {
  call_with(kernel, arguments, std::index_sequence_for<P...>());
}

}  // namespace ww::twin
