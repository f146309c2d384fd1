"""The on-disk cache: hits, misses with their reason, damage, other users, several processes."""

import logging
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from warpweave.runtime import cache as cache_module
from warpweave.runtime.cache import VARIABLE, Cache, checked, default_root, key_of
from warpweave.runtime.errors import CacheRefusedError


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def writer(data: bytes, calls: list | None = None):
    def make(path: Path) -> None:
        if calls is not None:
            calls.append(data)
        path.write_bytes(data)

    return make


def never(path: Path) -> None:
    raise AssertionError("made although it is cached")


def test_made_once(cache):
    path, lookup = cache.get_or_make("k", {"source": "1"}, writer(b"one"))
    assert (path.read_bytes(), lookup.hit) == (b"one", False)
    again, lookup = cache.get_or_make("k", {"source": "1"}, never)
    assert (again, lookup.hit, lookup.component) == (path, True, None)


def test_a_miss_names_what_differs(cache):
    parts = {"source": "1", "isa": "avx2", "flags": "-O3"}
    assert cache.get_or_make("k", parts, writer(b"1"))[1].reason == "first of its name"
    cache.get_or_make("k", parts | {"isa": "amx", "flags": "-O2"}, writer(b"2"))
    lookup = cache.get_or_make("k", parts | {"flags": "-O1"}, writer(b"3"))[1]
    assert (lookup.hit, lookup.component, lookup.reason) == (False, "flags", "differs in flags")
    lookup = cache.get_or_make("k", {"source": "1", "isa": "avx2"}, writer(b"4"))[1]
    assert lookup.component == "flags"
    assert cache.get_or_make("other", parts, writer(b"5"))[1].component is None


def test_keys_cannot_be_confused():
    assert key_of({"a": "b", "c": "d"}) == key_of({"c": "d", "a": "b"})
    assert len({key_of(c) for c in ({"a": "bc"}, {"ab": "c"}, {"a": "b", "c": ""}, {"a": 'b","c":"'})}) == 4


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d[:-1] + b"?", lambda d: b"", lambda d: d + b"x"])
def test_damaged_objects_are_made_again(cache, damage, caplog):
    path, _ = cache.get_or_make("k", {"source": "1"}, writer(b"the object"))
    path.write_bytes(damage(b"the object"))
    calls = []
    with caplog.at_level(logging.WARNING, "warpweave.runtime.cache"):
        path, lookup = cache.get_or_make("k", {"source": "1"}, writer(b"the object", calls))
    assert (path.read_bytes(), lookup.hit, len(calls)) == (b"the object", False, 1)
    assert "truncated or altered" in caplog.text


@pytest.mark.parametrize("text", [b"", b"{", b'{"name": 1}', None])
def test_damaged_sidecars(cache, text):
    path, _ = cache.get_or_make("k", {"source": "1"}, writer(b"x"))
    sidecar = path.with_suffix(".json")
    sidecar.unlink() if text is None else sidecar.write_bytes(text)
    path.write_bytes(b"evil")
    assert cache.get_or_make("k", {"source": "1"}, writer(b"x"))[0].read_bytes() == b"x"
    assert cache.get_or_make("k", {"source": "1"}, never)[1].hit


def test_an_object_under_another_key_is_refused(cache):
    one, _ = cache.get_or_make("k", {"source": "1"}, writer(b"one"))
    two, _ = cache.get_or_make("k", {"source": "2"}, writer(b"two"))
    for suffix in (".so", ".json"):
        one.with_suffix(suffix).write_bytes(two.with_suffix(suffix).read_bytes())
    assert cache.get_or_make("k", {"source": "1"}, writer(b"one"))[0].read_bytes() == b"one"


def test_a_failure_leaves_nothing(cache):
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get_or_make("k", {"source": "1"}, fail)
    assert cache.entries() == []
    assert not [p for p in cache.root.rglob("*") if p.suffix in (".so", ".tmp", ".json")]
    assert cache.get_or_make("k", {"source": "1"}, writer(b"x"))[0].read_bytes() == b"x"


def test_names_stay_inside(cache):
    path, _ = cache.get_or_make("../../etc/x y", {"source": "1"}, writer(b"x"))
    assert path.is_relative_to(cache.root)


def test_list_size_clear(cache):
    cache.get_or_make("b", {"source": "1"}, writer(b"12345"))
    cache.get_or_make("a", {"source": "2"}, writer(b"123"))
    assert [(e.name, e.bytes, e.components) for e in cache.entries()] == [
        ("a", 3, {"source": "2"}),
        ("b", 5, {"source": "1"}),
    ]
    stranger = cache.root / "mine.txt"
    stranger.write_text("kept")
    size = cache.size()
    assert size > 8
    assert (cache.clear(), cache.entries(), cache.size()) == (size, [], 0)
    assert stranger.read_text() == "kept"
    cache.get_or_make("a", {"source": "2"}, writer(b"123"))


def test_directories_others_may_write_to(tmp_path, monkeypatch, caplog):
    root = tmp_path / "open"
    root.mkdir()
    root.chmod(0o777)
    with pytest.raises(CacheRefusedError, match="everyone may write"):
        checked(root)
    monkeypatch.setenv(VARIABLE, str(root))
    monkeypatch.setattr(cache_module, "_private", None)
    with caplog.at_level(logging.WARNING, "warpweave.runtime.cache"):
        private = default_root()
        assert default_root() == private
    assert private != root
    assert private.stat().st_mode & 0o777 == 0o700
    assert caplog.text.count("everyone may write") == 1


def test_directories_of_others(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 12345678)
    with pytest.raises(CacheRefusedError, match="belongs to user id"):
        checked(tmp_path)


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheRefusedError):
        checked(tmp_path / "file" / "cache")


def test_threads_make_it_once(cache):
    calls, results = [], []
    work = lambda: results.append(cache.get_or_make("k", {"s": "1"}, writer(b"x" * 1000, calls))[0].read_bytes())  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert (len(calls), set(results), len(results)) == (1, {b"x" * 1000}, 8)


def test_two_processes_compile_the_same(tmp_path):
    script = textwrap.dedent("""
        import sys, numpy as np
        sys.path.insert(0, sys.argv[1])
        from runtime_samples import doubled, scaled_by_packed
        from warpweave.runtime.program import build_program
        x = np.arange(12, dtype=np.float32).reshape(3, 4)
        program = build_program(scaled_by_packed(), doubled)
        out = program([x, np.ones(4, np.float32)])[0]
        assert (out == x * 2 + 2).all(), out
        assert "torch" not in sys.modules
        print(sum(lookup.hit for lookup in program.lookups))
    """)
    command = [sys.executable, "-c", script, str(Path(__file__).parent.parent)]
    environment = os.environ | {VARIABLE: str(tmp_path / "shared")}
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    home = Cache(tmp_path / "shared")
    assert sorted(entry.name for entry in home.entries()) == ["scale", "turn", "ww_content", "ww_run"]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "2\n"
