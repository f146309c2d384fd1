"""What `warpweave opt`, `repro` and `reduce` are made of: pass pipelines as text, instruments, reproducers."""
