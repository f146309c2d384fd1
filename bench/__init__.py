"""Benchmarks against eager PyTorch and Inductor, measured call by call in one process."""
