"""What `pyproject.toml` promises: every package is listed, importing is light, the entry points resolve."""

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_PACKAGES = {"tests", "docs", "examples", "build", "dist"}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_package_is_listed():
    found = {
        ".".join(["warpweave", *init.parent.relative_to(ROOT).parts])
        for init in ROOT.rglob("__init__.py")
        if not any(p.startswith(".") or p in NOT_PACKAGES for p in init.relative_to(ROOT).parts)
    }
    assert found == set(project()["tool"]["setuptools"]["packages"])


def test_every_module_folder_is_a_package():
    bare = {
        str(source.parent.relative_to(ROOT))
        for source in ROOT.rglob("*.py")
        if not any(p.startswith(".") or p in NOT_PACKAGES for p in source.relative_to(ROOT).parts)
        and not (source.parent / "__init__.py").exists()
    }
    assert not bare


@pytest.mark.parametrize("module", ["warpweave", "warpweave.backend", "warpweave.runtime", "warpweave.cli"])
def test_importing_is_light(module):
    code = f"import sys, {module}\nprint(*sorted({{'torch', 'xdsl', 'triton', 'numpy', 'rich'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_public_names_resolve():
    import warpweave

    assert set(warpweave.__all__) <= set(dir(warpweave))
    assert all(getattr(warpweave, name) is not None for name in warpweave.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = warpweave.nonsense


def test_version_agrees_with_the_metadata():
    import warpweave

    assert warpweave.__version__ == project()["project"]["version"]


@pytest.mark.parametrize("group", ["torch_dynamo_backends", "xdsl.universe", "console_scripts"])
def test_entry_points_load(group):
    (point,) = entry_points(group=group, name="warpweave")
    assert point.load() is not None


def test_torch_lists_the_backend():
    import torch

    assert "warpweave" in torch._dynamo.list_backends()
