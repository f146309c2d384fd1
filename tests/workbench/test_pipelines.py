"""Pipelines as text: lists, options, and what was meant."""

from __future__ import annotations

import pytest
from xdsl.dialects.builtin import ModuleOp

from warpweave.ir.ledger import Ledger
from warpweave.passes import pipeline
from warpweave.workbench.pipelines import PASSES, PipelineError, parse


def names(text: str) -> list[str]:
    return [name for name, _ in parse(text)]


def test_lists_are_the_passes_of_the_pipeline_in_order() -> None:
    assert names("all") == [*pipeline.RECOGNISE, *pipeline.FUSE, *pipeline.FORM]
    assert names("flow-to-fused,verify-fused,fused-to-tile") == [
        *names("flow-to-fused"),
        "verify-fused",
        *pipeline.FORM,
    ]
    assert names("fuse-gemm,fuse-gemm") == ["fuse-gemm", "fuse-gemm"]
    assert names("") == []


def test_options_are_keywords_of_the_pass() -> None:
    seen = {}

    def limited(module: ModuleOp, ledger: Ledger, *, most_rows: int = 1, kind: str = "a", loud: bool = False) -> None:
        seen.update(most_rows=most_rows, kind=kind, loud=loud)

    known = {**PASSES, "limited": limited}
    [(name, apply)] = parse("limited{most-rows=8 kind=b loud}", known)
    apply(ModuleOp([]), Ledger())
    assert (name, seen) == ("limited", {"most_rows": 8, "kind": "b", "loud": True})
    with pytest.raises(PipelineError, match=r"no option `most_row`. Did you mean `most_rows`\?"):
        parse("limited{most-row=8}", known)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fuse-gem", r"no pass `fuse-gem`. Did you mean `fuse-gemm`\?"),
        ("flow-to-fuse", r"Did you mean `flow-to-fused`\?"),
        ("zzz", "Known: recognise, flow-to-fused"),
        ("fuse-gemm{tile=8}", "no option `tile`. It takes none"),
        ("partition-warps{target=sm_70}", "knows no target `sm_70`; it knows sm_90a, sm_80, sm_86, sm_89"),
        ("all{x=1}", "is a list of passes and takes no options"),
        ("fuse-gemm{", "is no pass pipeline"),
        ("fuse-gemm,,", "is no pass pipeline"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(PipelineError, match=words):
        parse(text)
