"""The Triton backend: tile kernels as Triton source. Imports neither Triton nor PyTorch until something is run."""
