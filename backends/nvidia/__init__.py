"""What the backends for NVIDIA GPUs share: facts of the GPUs, what a cubin says of itself, static checks, occupancy."""
