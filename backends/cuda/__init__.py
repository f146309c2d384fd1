"""CUDA C++ for NVIDIA GPUs: device primitives with an emulator for a twin, ahead-of-time compilation, static checks."""
