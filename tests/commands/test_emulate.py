"""`warpweave emulate`: what it finds, and how it ends."""

import json

import msgspec
import pytest

from emulated import FOLDER
from emulated_pipelines import specialised, split_kernels
from warpweave.backends.cuda.emit import emit
from warpweave.cli import main
from warpweave.ir.ledger import Ledger
from warpweave.passes import pipeline

SIZES = ["--size", "M=8", "--size", "N=64", "--size", "K=72"]
ONCE = ["--schedule", "random", "--seed", "1"]


@pytest.fixture
def emulate(capfd):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["emulate", *map(str, arguments)])
        return ended.value.code, *capfd.readouterr()

    return run


@pytest.fixture
def broken(tmp_path):
    text = (FOLDER / "gemm_bias_gelu.cu").read_text()
    (tmp_path / "broken.cu").write_text(text.replace("      ww::fence_proxy_async();\n", ""))
    (tmp_path / "broken.json").write_text((FOLDER / "gemm_bias_gelu.json").read_text())
    return tmp_path / "broken.cu"


def test_a_sound_kernel(emulate, tmp_path):
    timeline = tmp_path / "timeline.json"
    code, out, _ = emulate(FOLDER / "gemm_bias_gelu.cu", *SIZES, *ONCE, "--timeline", timeline)
    assert (code, out) == (0, "The emulator found nothing.\n")
    assert any(event["name"] == "wgmma" for event in json.loads(timeline.read_text())["traceEvents"])


def test_a_printed_kernel(emulate, tmp_path):
    module, _ = specialised("gemm_bias_gelu")
    pipeline.to_barriers(module, Ledger())
    ((source,),) = (emit(kernel) for kernel in split_kernels(module))
    (tmp_path / "k.cu").write_text(source.text)
    (tmp_path / "k.json").write_bytes(msgspec.json.encode(source.launch))
    (rows,) = source.launch.sizes
    assert [b.elements for b in source.launch.buffers] == [f"72*{rows}", "10944", "152", f"152*{rows}"]
    code, out, _ = emulate(tmp_path / "k.cu", "--size", f"{rows}=70", *ONCE)
    assert (code, out) == (0, "The emulator found nothing.\n")
    (tmp_path / "k.json").write_bytes(
        msgspec.json.encode(source.launch).replace(b'"elements":"10944"', b'"elements":"10900"')
    )
    code, out, _ = emulate(tmp_path / "k.cu", "--size", f"{rows}=70", *ONCE)
    assert code == 4
    assert "outside every buffer" in out


def test_a_finding_shows_the_source_and_how_to_see_it_again(emulate, broken):
    code, out, _ = emulate(broken, *SIZES, *ONCE)
    assert code == 4
    first, *rest = out.splitlines()
    assert first.startswith(f"{broken}:")
    assert ": missing-proxy-fence: TMA store reads shared +0x" in first
    assert any("ww::tma_store(&out_map, out + p * kPanelBytes" in line for line in rest)
    assert any("ww::store_matrices(ww::swizzled(kSwizzle, at), pairs);" in line for line in rest)
    assert "  next:  fence_proxy_async in each writing thread, before the barrier that tells the reader" in rest
    assert "  run:   --schedule random --seed 1, block 0" in rest
    code, out, _ = emulate(broken, *SIZES, *ONCE, "--json")
    assert (code, json.loads(out)[0]["kind"]) == (4, "missing-proxy-fence")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "M=8"], "No value for N, K"),
        ([*SIZES, "--schedule", "slow"], "No schedule is called slow"),
        (["--size", "Q=8"], "Q"),
    ],
)
def test_wrong_usage(emulate, arguments, words):
    code, _, err = emulate(FOLDER / "gemm_bias_gelu.cu", *arguments)
    assert code == 2
    assert words in err


def test_a_kernel_without_its_description(emulate, tmp_path):
    (tmp_path / "k.cu").write_text("")
    code, _, err = emulate(tmp_path / "k.cu")
    assert code == 2
    assert "k.cu is no kernel with a launch description" in err
