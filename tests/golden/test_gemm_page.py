"""The page that follows a GEMM to CUDA is what the compiler makes of it today."""

from pathlib import Path

import gemm_page

PAGE = Path(__file__).parents[2] / "docs" / "from-flow-to-cuda.md"


def test_the_page_is_up_to_date(pytestconfig):
    if pytestconfig.getoption("--update-golden"):
        PAGE.write_text(gemm_page.page())
    assert PAGE.read_text() == gemm_page.page(), "pytest tests/golden --update-golden"


def test_the_planted_bug_is_found():
    assert "WAR: " in gemm_page.page().split("## A planted bug")[1]
