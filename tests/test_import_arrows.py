"""The layers of the house: frontend, passes and backends know `ir` only; runtime knows only itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MAY_IMPORT = {
    "ir": {"ir"},
    "passes": {"passes", "ir"},
    "frontend": {"frontend", "ir"},
    "backends": {"backends", "ir", "runtime"},
    "runtime": {"runtime"},
    "planner": {"planner", "runtime", "ir"},
    "workbench": {"workbench", "passes", "ir"},
    "fuzz": {
        "fuzz",
        "commands",
        "report",
        "frontend",
        "workbench",
        "passes",
        "backends",
        "runtime",
        "ir",
        "compiler",
        "options",
        "planner",
    },
}
LOADED_WITHOUT = {
    "runtime": {"torch", "xdsl", "triton"},
    "backends/triton": {"torch", "triton"},
    "backends/cuda": {"torch", "triton", "cuda"},
}


def imports(path: Path):
    """(line, dotted target, at module level) of every import; relative ones start with `warpweave`."""
    package = ("warpweave", *path.relative_to(ROOT).parts[:-1])
    tree = ast.parse(path.read_text())
    lazy = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.Lambda) for n in ast.walk(f)}
    lazy |= {
        id(n)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for n in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, id(node) not in lazy
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            for alias in node.names:
                target = ".".join(part for part in (base, node.module, alias.name) if part)
                yield node.lineno, target, id(node) not in lazy


def sources(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_layer_imports_only_what_it_may(layer):
    assert sources(layer), f"no sources in {layer}/"
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {target}"
        for path in sources(layer)
        for line, target, _ in imports(path)
        if target.split(".")[0] == "warpweave" and target.split(".")[1] not in MAY_IMPORT[layer]
    ]
    assert not wrong, "\n".join(wrong)


def test_inside_the_package_imports_are_relative():
    absolute = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for layer in [*MAY_IMPORT, "commands", "bench"]
        for path in sources(layer)
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "warpweave")
        or (isinstance(node, ast.Import) and any(a.name.split(".")[0] == "warpweave" for a in node.names))
    ]
    assert not absolute, "\n".join(absolute)


@pytest.mark.parametrize("layer", LOADED_WITHOUT)
def test_layer_loads_without_heavy_modules(layer):
    heavy = [
        f"{path.relative_to(ROOT)}:{line}: {target}"
        for path in sources(layer)
        for line, target, at_load in imports(path)
        if at_load and target.split(".")[0] in LOADED_WITHOUT[layer]
    ]
    assert not heavy, "\n".join(heavy)
