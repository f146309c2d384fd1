"""The IR: dims, types, dialects (flow, fused, tile), layouts, text, level verifiers and reference semantics."""
