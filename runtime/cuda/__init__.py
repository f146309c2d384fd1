"""Programs on NVIDIA GPUs: `device.py` runs their launches, `packing.py` lays out the parameters, `driver.py` is all that
talks to CUDA. cuda-core is imported when a program is loaded on a GPU, and Triton never."""
