"""The `.weave` text frontend: text → syntax tree → flow module; formatter; number of passes of einsum cascades."""
