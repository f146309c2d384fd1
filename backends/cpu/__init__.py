"""The CPU backend: tile kernels as C++ against the headers in `include/`."""
