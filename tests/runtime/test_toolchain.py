"""The C++ compiler: found or missed, what it refuses, what the key holds."""

import ctypes
import os
import stat
from pathlib import Path

import msgspec
import pytest

import instruction_sets
from warpweave.runtime import cpu
from warpweave.runtime.cache import Cache
from warpweave.runtime.errors import CompileError, MissingCompilerError
from warpweave.runtime.toolchain import Compiler, Source, build, components, find_compiler

SOURCE = Source("answer", '#include "number.h"\nextern "C" int answer() { return NUMBER; }\n', "portable",
                {"number.h": "#define NUMBER 42\n"})  # fmt: skip


def answer(path) -> int:
    return ctypes.CDLL(str(path)).answer()


def test_headers_are_part_of_the_key(tmp_path):
    home = Cache(tmp_path)
    first, second, third = (
        build([msgspec.structs.replace(SOURCE, headers={"number.h": f"#define NUMBER {n}\n"})], home)[0]
        for n in (42, 43, 42)
    )
    assert (answer(first.path), answer(second.path)) == (42, 43)
    assert (third.path, third.lookup.hit) == (first.path, True)
    assert (second.lookup.hit, second.lookup.component) == (False, "header number.h")


def test_every_component_changes_the_key():
    compiler = Compiler(("/usr/bin/g++",), "g++ 1")
    base = components(SOURCE, compiler)
    changes = {
        "source": components(msgspec.structs.replace(SOURCE, text="x"), compiler),
        "header number.h": components(msgspec.structs.replace(SOURCE, headers={"number.h": ""}), compiler),
        "isa": components(msgspec.structs.replace(SOURCE, isa="avx2"), compiler),
        "compiler version": components(SOURCE, Compiler(compiler.argv, "g++ 2")),
        "compiler": components(SOURCE, Compiler(("/usr/bin/clang++",), "g++ 1")),
    }
    for name, changed in changes.items():
        assert changed[name] != base[name]
    assert changes["isa"]["flags"] != base["flags"]
    assert {"abi", "machine"} <= set(base)


def test_objects_do_not_depend_on_the_folder(tmp_path):
    one, two = (build([SOURCE], Cache(tmp_path / name))[0].path.read_bytes() for name in ("a", "b"))
    assert one == two


def test_many_at_once_come_in_order(tmp_path):
    made = build(
        [Source(f"k{i}", f'extern "C" int answer() {{ return {i}; }}', "portable") for i in range(5)],
        Cache(tmp_path),
    )
    assert [answer(each.path) for each in made] == [0, 1, 2, 3, 4]
    assert build([], Cache(tmp_path)) == []


def test_a_refused_kernel_is_kept_and_named(tmp_path):
    bad = msgspec.structs.replace(SOURCE, text='#include "number.h"\nint f() { return $oops; }\n')
    with pytest.raises(CompileError, match="Kernel answer did not compile") as caught:
        build([SOURCE, bad], Cache(tmp_path))
    assert "oops" in caught.value.why
    assert Path(caught.value.where).read_text() == bad.text
    assert "-std=c++17" in caught.value.next
    assert [entry.name for entry in Cache(tmp_path).entries()] == ["answer"]


@pytest.mark.parametrize("stated", ["", "no-such-compiler -m64"])
def test_no_compiler(monkeypatch, tmp_path, stated):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CXX", stated)
    with pytest.raises(MissingCompilerError, match="install g\\+\\+"):
        find_compiler()


def test_cxx_comes_first_and_is_never_a_shell_line(monkeypatch, tmp_path):
    fake = tmp_path / "my compiler"
    fake.write_text(
        '#!/bin/sh\nif [ "$2" = --version ] || [ "$1" = --version ]; then echo "mine $1"; exit; fi\nexit 1\n'
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", f"'{fake}' '-DX=$(touch {tmp_path}/owned)'")
    found = find_compiler()
    assert found.argv == (str(fake), f"-DX=$(touch {tmp_path}/owned)")
    assert found.version.startswith("mine -DX=$(touch")
    with pytest.raises(CompileError):
        build([SOURCE], Cache(tmp_path / "cache"))
    assert not (tmp_path / "owned").exists()


def test_instruction_sets(monkeypatch):
    assert cpu.supports("portable")
    assert not cpu.supports("sse9")
    assert cpu.best_isa() in cpu.ISAS
    assert cpu.supports(cpu.best_isa())
    monkeypatch.setattr(cpu, "cpu_flags", lambda: frozenset({"avx2", "fma", "f16c"}))
    monkeypatch.setattr(cpu, "amx_permitted", lambda: False)
    assert [isa for isa in cpu.ISAS if cpu.supports(isa)] == ["avx2", "portable"]


def test_the_widest_instruction_set_can_be_limited(monkeypatch):
    with instruction_sets.used("avx512"):
        for widest, chosen in {"portable": "portable", "avx2": "avx2", "amx": "avx512"}.items():
            monkeypatch.setenv("WARPWEAVE_ISA", widest)
            assert cpu.best_isa.__wrapped__() == chosen
    monkeypatch.setenv("WARPWEAVE_ISA", "sse9")
    with pytest.raises(ValueError, match=r"amx, avx512_bf16, avx512, avx2, portable, not 'sse9'"):
        cpu.best_isa.__wrapped__()


@pytest.mark.parametrize("isa", list(cpu.ISAS))
def test_every_instruction_set_compiles(tmp_path, isa):
    made = build([Source("k", f'extern "C" int answer() {{ return WW_ISA_{isa.upper()}; }}', isa)], Cache(tmp_path))
    assert os.path.getsize(made[0].path) > 0
    assert answer(made[0].path) == 1
