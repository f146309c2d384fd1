"""Random PyTorch functions, compiled and compared with eager: `make fuzz-torch`."""
