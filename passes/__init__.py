"""Rewrites from flow to tile, one pass a file: `run(module, ledger)` changes the module in place."""
