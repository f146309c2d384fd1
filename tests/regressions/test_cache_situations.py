"""A cache that others could write to is not used, at any level; one that cannot be written costs a warning, never a program."""

import errno
import logging
import os
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mutants.edits import edited
from warpweave.runtime import cache as cache_module
from warpweave.runtime import processes, toolchain
from warpweave.runtime.cache import VARIABLE, Cache, default_root, folder
from warpweave.runtime.errors import CacheRefusedError, CompileError, MissingCompilerError, SettingError
from warpweave.runtime.toolchain import Source, build, find_compiler

PARTS = {"source": "1"}
SOURCE = Source("answer", 'extern "C" int answer() { return 42; }\n', "portable")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The user's cache, and no private one yet."""
    path = tmp_path / "cache"
    monkeypatch.setenv(VARIABLE, str(path))
    monkeypatch.setattr(cache_module, "_private", None)
    return path


def write(path):
    path.write_bytes(b"object")


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def made_elsewhere(root, caplog, word):
    """An object comes from the private cache, with one warning that holds `word`; twice, and made once."""
    with caplog.at_level(logging.WARNING, "warpweave.runtime.cache"):
        path, lookup = Cache().get_or_make("k", PARTS, write)
        assert not path.is_relative_to(root)
        assert not lookup.hit
        assert path.read_bytes() == b"object"
        again, lookup = Cache().get_or_make("k", PARTS, write)
    assert (again, lookup.hit) == (path, True)
    assert path.parent.stat().st_mode & 0o077 == 0
    (said,) = warnings(caplog)
    assert word in said
    assert "next:" in said


LEVELS = (".", "kernels", "kernels/k")


def warm(root):
    return Cache(root).get_or_make("k", PARTS, write)[0]


@pytest.mark.parametrize("level", LEVELS)
def test_a_directory_that_everyone_may_write_to(root, caplog, level):
    warm(root)
    (root / level).chmod(0o777)
    made_elsewhere(root, caplog, "everyone may write")


@pytest.mark.parametrize("level", LEVELS)
def test_a_directory_of_somebody_else(root, caplog, level):
    if os.getuid() != 0:
        pytest.skip("only root gives directories away")
    warm(root)
    os.chown(root / level, 12345, 12345)
    made_elsewhere(root, caplog, "belongs to user id 12345")


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("what", ["link", "file"])
def test_something_else_where_a_directory_should_be(root, tmp_path, caplog, level, what):
    warm(root)
    (root / level).rename(tmp_path / "moved")
    (root / level).symlink_to(tmp_path / "moved") if what == "link" else (root / level).write_text("")
    made_elsewhere(root, caplog, "a link or a file")


@pytest.mark.parametrize("name", ["failed", "crashes", "reproducers"])
def test_folders_beside_the_kernels(root, tmp_path, name):
    root.mkdir()
    (root / name).symlink_to(tmp_path)
    with pytest.raises(CacheRefusedError, match="a link or a file"):
        folder(name) if name != "failed" else Cache().failed


@pytest.mark.parametrize("suffix", [".so", ".json"])
def test_a_directory_where_an_object_should_be(root, suffix):
    path = warm(root).with_suffix(suffix)
    path.unlink()
    (path / "inside").mkdir(parents=True)
    again, lookup = Cache().get_or_make("k", PARTS, write)
    assert (again.read_bytes(), again.is_relative_to(root), lookup.hit) == (b"object", True, False)


@pytest.mark.parametrize("what", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
@pytest.mark.parametrize("when", ["first", "second"])
def test_nothing_can_be_written(root, monkeypatch, caplog, what, when):
    """Neither the object nor (second) what stands beside it; nothing half-made stays."""
    real, calls = cache_module.tempfile.mkstemp, []

    def mkstemp(dir, **more):
        if Path(dir).is_relative_to(root):
            calls.append(dir)
            if when == "first" or len(calls) > 1:
                raise OSError(what, os.strerror(what))
        return real(dir=dir, **more)

    monkeypatch.setattr(cache_module.tempfile, "mkstemp", mkstemp)
    made_elsewhere(root, caplog, os.strerror(what))
    assert not list(root.rglob("*.tmp"))


def test_what_is_there_is_read_where_nothing_can_be_written(root, monkeypatch, caplog):
    path = warm(root)
    monkeypatch.setattr(cache_module, "_made", None)  # not even asked
    assert Cache().get_or_make("k", PARTS, write)[0] == path
    assert not warnings(caplog)


def test_nowhere_can_anything_be_written(root, monkeypatch):
    root.write_text("in the way")
    monkeypatch.setattr(
        cache_module.tempfile, "mkdtemp", lambda **_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full"))
    )
    with pytest.raises(CacheRefusedError, match=r"full[\s\S]*TMPDIR"):
        Cache()


def test_leftovers_of_a_process_that_was_killed(root):
    """The lock is free again, what was half made goes away."""
    script = textwrap.dedent("""
        import sys, time
        from warpweave.runtime.cache import Cache
        def make(path):
            path.write_bytes(b"half")
            print("ready", flush=True)
            time.sleep(100)
        Cache().get_or_make("k", {"source": "1"}, make)
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait()
    assert list(root.rglob("*.tmp"))
    path, _ = Cache().get_or_make("k", PARTS, write)
    assert path.read_bytes() == b"object"
    assert path.is_relative_to(root)
    assert not list(root.rglob("*.tmp"))


def test_a_lock_that_nobody_gives_back(root, monkeypatch, caplog):
    path = warm(root)
    path.unlink()
    monkeypatch.setattr(cache_module, "_PATIENCE", 0.1)
    with cache_module.filelock.FileLock(path.with_suffix(".lock")):
        made_elsewhere(root, caplog, "lock")


@pytest.mark.parametrize("stated", [None, "~nobody-of-this-name/x"])
def test_no_home(root, monkeypatch, caplog, stated):
    monkeypatch.delenv(VARIABLE)
    if stated:
        monkeypatch.setenv(VARIABLE, stated)
    else:
        monkeypatch.setattr(cache_module.platformdirs, "user_cache_path", lambda _: Path("~/.cache/warpweave"))
    made_elsewhere(root, caplog, "home")
    assert not Path("~").exists()


def test_a_relative_root_is_where_it_was_stated(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "here")
    assert default_root() == tmp_path / "here"


def test_without_a_compiler_what_is_there_will_do(monkeypatch):
    path = build([SOURCE])[0].path
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    made = build([SOURCE])[0]
    assert (made.path, made.lookup.hit) == (path, True)
    for other in (Source("answer", SOURCE.text + " ", "portable"), Source("answer", SOURCE.text, "avx2")):
        with pytest.raises(MissingCompilerError):
            build([SOURCE, other])
    path.write_bytes(b"altered")
    with pytest.raises(MissingCompilerError):
        build([SOURCE])


@pytest.mark.parametrize("stated", ["g++ '-O2", 'g++ "', "g++ \\"])
def test_cxx_with_an_open_quote(monkeypatch, stated):
    monkeypatch.setenv("CXX", stated)
    with pytest.raises(SettingError, match="CXX is no command line"):
        find_compiler()


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_a_compiler_that_hangs_is_ended_with_all_that_it_has_started(tmp_path, monkeypatch):
    pids = tmp_path / "pids"
    monkeypatch.setenv("CXX", script(
        tmp_path / "slow", f'[ "$1" = --version ] && echo slow && exit\nsleep 100 & echo $! $$ > {pids}; wait'
    ))  # fmt: skip
    monkeypatch.setattr(toolchain, "_SECONDS", 1)
    with pytest.raises(CompileError, match="had not ended after 1 s"):
        build([SOURCE])
    deadline = time.monotonic() + 5
    started = [int(pid) for pid in pids.read_text().split()]
    while any(map(alive, started)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, started))


def test_a_compiler_whose_version_hangs_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", script(tmp_path / "mute", "sleep 100"))
    monkeypatch.setattr(toolchain, "_VERSION_SECONDS", 0.2)
    with pytest.raises(MissingCompilerError):
        find_compiler()


def test_the_compiler_has_no_room(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", script(
        tmp_path / "full", '[ "$1" = --version ] && echo full && exit\necho "/tmp/x: No space left on device" >&2; exit 1'
    ))  # fmt: skip
    with pytest.raises(CompileError, match=r"No space left[\s\S]*TMPDIR"):
        build([SOURCE])


def test_files_of_the_cache_are_the_users_own(root):
    path = warm(root)
    for level in (path.parent, path.parent.parent, root):
        assert stat.S_IMODE(level.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("target", "old", "new", "test"),
    [
        ("runtime.cache:Cache._sound", "all(map(_is_ours, (self._kernels, path.parent)))", "True", "mode"),
        ("runtime.cache:Cache.get_or_make", "(OSError, CacheRefusedError)", "CacheRefusedError", "full"),
        ("runtime.processes:_end", "os.killpg(process.pid, signal.SIGKILL)", "process.kill()", "child"),
    ],
)
def test_mutants(root, tmp_path, monkeypatch, caplog, target, old, new, test):
    """Only the root is looked at; a full disk is an error; only the compiler's driver is killed."""

    def check():
        match test:
            case "mode":
                test_a_directory_that_everyone_may_write_to(root, caplog, "kernels/k")
            case "full":
                test_nothing_can_be_written(root, monkeypatch, caplog, errno.ENOSPC, "first")
            case "child":
                monkeypatch.setattr(processes.subprocess.Popen, "communicate", _communicate_without_its_children)
                test_a_compiler_that_hangs_is_ended_with_all_that_it_has_started(tmp_path, monkeypatch)

    with edited(target, old, new), pytest.raises((AssertionError, OSError)):
        check()


def _communicate_without_its_children(process, timeout=None):
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise
    return "", ""
