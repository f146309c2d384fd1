"""Running compiled programs. Imports neither PyTorch nor xDSL nor Triton."""
