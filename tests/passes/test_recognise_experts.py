"""What is no mixture of experts as `transformers` captures it stays with PyTorch, and the ledger says why."""

from __future__ import annotations

import pytest

from warpweave.ir import flow
from warpweave.ir.ledger import Ledger
from warpweave.ir.text import parse, to_text
from warpweave.passes import recognise_experts
from warpweave.workbench.pass_docs import CASES

TAKEN = (CASES / "recognise-experts" / "taken-grouped-mm.mlir").read_text().partition("// CHECK")[0]
TENSOR = r"{\22tensor\22: 0}"
TOPK, SORT = f"[{TENSOR}, 2]", f'"aten.sort.default" %flat {{arguments = "{{\\22args\\22: [{TENSOR}'
HISTC, GATHER = f"[{TENSOR}, 4, 0, 3]", r"{\22tensor\22: 0}, [{\22tensor\22: 1}]"
EXPERTS = '%experts: !flow.tensor<[4, 96, 64], bf16> {weave.role = "weight"}'
UNKNOWN = "the offsets are no counts of sorted top-k choices"

REFUSED = {
    "smallest": (TOPK, f"[{TENSOR}, 2, -1, false, true]", "the top-k is not that of the largest scores of each token"),
    "over tokens": (TOPK, f"[{TENSOR}, 2, 0, true, true]", "the top-k is not that of the largest scores of each token"),
    "falling": (SORT, f"{SORT}, -1, true", "the choices are not sorted by rising expert"),
    "fewer bins": (HISTC, f"[{TENSOR}, 4, 0, 2]", "the counts are not one an expert"),
    "weights given": (EXPERTS, EXPERTS.replace("weight", "input"), "a weight is not constant"),
    "another count": ("aten.histc.default", "aten.bincount.default", UNKNOWN),
    "another choice": ("aten.topk.default", "aten.sort.stable", UNKNOWN),
}


def recognised(text: str) -> tuple[list[str], str]:
    """The reasons of refusals, and the module's text afterwards."""
    module, ledger = parse(text), Ledger()
    recognise_experts.run(module, ledger)
    module.verify()
    return [row.reason for row in ledger.rows if row.outcome == "refused"], to_text(module)


def test_the_plain_case_is_taken() -> None:
    reasons, text = recognised(TAKEN)
    assert reasons == []
    assert "flow.route" in text
    assert "flow.aten" not in text


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    old, new, reason = REFUSED[name]
    assert old in TAKEN
    changed = TAKEN.replace(old, new)
    reasons, text = recognised(changed)
    assert reasons == [reason]
    assert text == to_text(parse(changed))


def test_offsets_that_somebody_else_reads() -> None:
    """As training does, which keeps them for the backward pass."""
    changed = TAKEN.replace("func.return %out : ", "func.return %out, %ends : ").replace(
        "-> !flow.tensor<[S, 96], bf16> {\n", "-> (!flow.tensor<[S, 96], bf16>, !flow.tensor<[4], i32>) {\n"
    )
    changed = changed.replace(
        "%ends : !flow.tensor<[S, 96], bf16>", "%ends : !flow.tensor<[S, 96], bf16>, !flow.tensor<[4], i32>"
    )
    assert recognised(changed)[0] == ["the offsets are read elsewhere"]


def test_softmax_and_quotient_that_others_read_stay() -> None:
    """The route then works on the scores themselves."""
    module = parse(TAKEN.replace("func.return %out", "%twice = flow.pointwise<\"add\"> %scores, %scores : "
        "(!flow.tensor<[S, 4], f32>, !flow.tensor<[S, 4], f32>) -> !flow.tensor<[S, 4], f32>\n    func.return %out"))  # fmt: skip
    recognise_experts.run(module, Ledger())
    (route,) = [op for op in module.walk() if isinstance(op, flow.RouteOp)]
    assert route.softmax is None
    assert isinstance(route.scores.owner, flow.SoftmaxOp)
