"""The on-disk cache of compiled code: content-addressed, verified on every load, safe under concurrent processes.

`<root>/kernels/<name>/<key>.so` with `<key>.json` beside it: the key's components, and the SHA-256 of the object. An
object that does not match its sidecar is deleted and made again, never loaded. `<root>/failed` keeps refused sources.

Every directory from the root down is one of this user's that not everyone may write to, and below the root no link, or it is
not used. Where that is so, or where nothing can be written (no space, no permission, something in the way, a lock that nobody
gives back), objects are made in a private temporary directory instead, and one warning says so; what is sound is still read.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import filelock
import msgspec
import platformdirs

from .errors import CacheRefusedError

logger = logging.getLogger("warpweave.runtime.cache")

VARIABLE = "WARPWEAVE_CACHE_DIR"
_PATIENCE = 900.0  # seconds for a lock that another process holds: longer than any compilation may take
_private: Path | None = None


class Entry(msgspec.Struct, frozen=True):
    """The sidecar of one cached object."""

    name: str
    key: str
    components: dict[str, str]
    sha256: str
    bytes: int


class Lookup(msgspec.Struct, frozen=True):
    """How a look-up went. On a miss, `component` is the first key component that differs from the nearest entry."""

    name: str
    key: str
    hit: bool
    component: str | None = None
    reason: str = ""


def sha256(data: bytes | str) -> str:
    """Hex digest of bytes or of UTF-8 text."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def key_of(components: Mapping[str, str]) -> str:
    """The key: a digest of every component with its name."""
    return sha256(msgspec.json.encode(dict(components), order="sorted"))[:40]


def default_root() -> Path:
    """WARPWEAVE_CACHE_DIR, else the user's cache directory; where that is refused, a private temporary one (warned)."""
    try:
        return checked(_stated_root())
    except CacheRefusedError as refusal:
        return _private_root(refusal)


def folder(name: str) -> Path:
    """A folder of the root for something else than objects, made if need be. Raises CacheRefusedError, OSError."""
    return _made(default_root() / name)


def _stated_root() -> Path:
    stated = os.environ.get(VARIABLE)
    try:
        root = Path(stated).expanduser().absolute() if stated else platformdirs.user_cache_path("warpweave")
    except (RuntimeError, OSError) as error:  # no home, no current directory
        raise _refusal(Path(stated or "~"), str(error), f"set {VARIABLE} to a directory of yours") from error
    if not root.is_absolute():
        raise _refusal(root, "this user has no home directory", f"set {VARIABLE} to a directory of yours")
    return root


def _private_root(reason: Exception) -> Path:
    global _private
    if _private is None or not _private.exists():
        try:
            _private = Path(tempfile.mkdtemp(prefix="warpweave-"))
        except OSError as error:
            why = f"{error}; and before: {str(reason).splitlines()[0]}"
            raise _refusal(
                Path(tempfile.gettempprefix()), why, "set TMPDIR to a directory of yours with free space"
            ) from error
        atexit.register(_remove_private, _private, os.getpid())
        logger.warning("%s\nusing %s for this process", reason, _private)
    return _private


def _remove_private(root: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(root, ignore_errors=True)


def checked(root: Path) -> Path:
    """`root`, made if need be. Raises CacheRefusedError if another user owns it or anyone may write to it."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(root, root.stat())
    except OSError as error:
        raise _refusal(root, str(error), f"set {VARIABLE} to a directory of yours") from error
    return root


def _made(folder: Path) -> Path:
    """A folder right below one that was checked, made if need be, checked as the root is, and no link."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    _is_ours(folder)
    return folder


def _check(folder: Path, status: os.stat_result) -> None:
    if status.st_uid != os.getuid():
        raise _refusal(folder, f"it belongs to user id {status.st_uid}", f"set {VARIABLE} to a directory of yours")
    if status.st_mode & stat.S_IWOTH:
        raise _refusal(folder, "everyone may write to it, and its contents are executed", f"chmod o-w {folder}")


def _refusal(root: Path, why: str, next: str) -> CacheRefusedError:
    return CacheRefusedError("The cache directory is refused", where=str(root), why=why, next=next)


class Cache:
    """A cache of objects below `root` (default: `default_root()`)."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = checked(root) if root else default_root()
        self._failed = self.root / "failed"
        self._kernels = self.root / "kernels"

    @property
    def failed(self) -> Path:
        """Where refused sources are kept; made if need be. Raises CacheRefusedError, OSError."""
        return _made(self._failed)

    def get_or_make(
        self, name: str, components: Mapping[str, str], make: Callable[[Path], None]
    ) -> tuple[Path, Lookup]:
        """The object for `components`; `make(path)` writes it if there is none that is sound.

        Two processes that want the same one wait for each other; readers never see half an object. What `make` raises goes
        on, but for an OSError: then, as where this cache cannot be written, it is made in the private one. Raises
        CacheRefusedError where that cannot be either.
        """
        try:
            return self._get_or_make(name, components, make)
        except (OSError, CacheRefusedError) as error:
            if self.root == _private:
                raise _refusal(self.root, str(error), "set TMPDIR to a directory with free space") from error
            reason = error if isinstance(error, CacheRefusedError) else _refusal(self.root, str(error), "make room, or "
                     f"set {VARIABLE} to a directory of yours")  # fmt: skip
            return Cache(_private_root(reason)).get_or_make(name, components, make)

    def find(self, name: str, components: Mapping[str, str]) -> tuple[Path, Lookup] | None:
        """A sound object with these components, whatever its others are."""
        for entry in self._entries_of(name):
            path = self._folder(name) / f"{entry.key}.so"
            if components.items() <= entry.components.items() and self._sound(path):
                return path, Lookup(name, entry.key, hit=True, reason="hit, of whatever compiler")
        return None

    def _get_or_make(
        self, name: str, components: Mapping[str, str], make: Callable[[Path], None]
    ) -> tuple[Path, Lookup]:
        key = key_of(components)
        path = self._folder(name) / f"{key}.so"
        if self._sound(path):
            return path, Lookup(name, key, hit=True, reason="hit")
        _made(self._kernels)
        _made(path.parent)
        with filelock.FileLock(path.with_suffix(".lock"), timeout=_PATIENCE):
            if self._sound(path):
                return path, Lookup(name, key, hit=True, reason="hit, made by another process meanwhile")
            self._discard(path)
            lookup = self._miss(name, key, components)
            logger.debug("%s: %s", name, lookup.reason)
            self._make(path, Entry(name, key, dict(components), "", 0), make)
        return path, lookup

    def entries(self) -> list[Entry]:
        """All entries with a readable sidecar, by name and key."""
        found = [entry for sidecar in sorted(self._kernels.glob("*/*.json")) if (entry := _read(sidecar))]
        return sorted(found, key=lambda entry: (entry.name, entry.key))

    def size(self) -> int:
        """Bytes of all files of the cache."""
        return sum(map(_size, (path for folder in self._folders() for path in folder.rglob("*"))))

    def clear(self) -> int:
        """Deletes all entries; gives the number of bytes freed. Programs already loaded keep running."""
        freed = self.size()
        for folder in self._folders():
            shutil.rmtree(folder, ignore_errors=True)
        return freed

    def _folders(self) -> list[Path]:
        return [self._kernels, self._failed]

    def _folder(self, name: str) -> Path:
        return self._kernels / (re.sub(r"[^A-Za-z0-9_-]", "_", name)[:80] or "_")

    def _sound(self, path: Path) -> bool:
        """Whether the object is what its sidecar says. Raises CacheRefusedError where a directory is not as it should be."""
        if not all(map(_is_ours, (self._kernels, path.parent))):
            return False
        entry = _read(path.with_suffix(".json"))
        if entry is None:
            return False
        try:
            data = path.read_bytes()
        except OSError:
            return False
        return len(data) == entry.bytes and sha256(data) == entry.sha256 and path.stem == entry.key

    def _discard(self, path: Path) -> None:
        """Removes what is unsound. Only under the lock: another process may be replacing it."""
        if path.exists() or path.with_suffix(".json").exists():
            logger.warning("%s was truncated or altered: deleted, compiled again", path)
        half_made = path.parent.glob(f".{path.stem}.*.tmp")  # by a process that was killed
        for file in (path.with_suffix(".json"), path, *half_made):
            if file.is_dir() and not file.is_symlink():
                shutil.rmtree(file)
            file.unlink(missing_ok=True)

    def _make(self, path: Path, entry: Entry, make: Callable[[Path], None]) -> None:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=".tmp")
        os.close(handle)
        fresh = Path(temporary)
        try:
            make(fresh)
            data = fresh.read_bytes()
            sealed = msgspec.structs.replace(entry, sha256=sha256(data), bytes=len(data))
            os.replace(fresh, path)
            _write(path.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(sealed, order="sorted")))
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            fresh.unlink(missing_ok=True)

    def _entries_of(self, name: str) -> list[Entry]:
        return [entry for sidecar in sorted(self._folder(name).glob("*.json")) if (entry := _read(sidecar))]

    def _miss(self, name: str, key: str, components: Mapping[str, str]) -> Lookup:
        others = self._entries_of(name)
        if not others:
            return Lookup(name, key, hit=False, reason="first of its name")
        differing = min((_differing(components, entry.components) for entry in others), key=len)
        if not differing:
            return Lookup(name, key, hit=False, reason="its cached object was missing or damaged")
        return Lookup(name, key, hit=False, component=differing[0], reason=f"differs in {', '.join(differing)}")


def _differing(wanted: Mapping[str, str], have: Mapping[str, str]) -> list[str]:
    names = [*wanted, *(name for name in have if name not in wanted)]
    return [name for name in names if wanted.get(name) != have.get(name)]


def _is_ours(folder: Path) -> bool:
    """Whether the folder is there. Raises CacheRefusedError where it is, and not as it should be."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    if not stat.S_ISDIR(status.st_mode):
        raise _refusal(folder, "it is a link or a file, where a directory should be", f"remove {folder}")
    _check(folder, status)
    return True


def _size(path: Path) -> int:
    try:
        status = path.lstat()
    except OSError:  # another process has just deleted it
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _read(sidecar: Path) -> Entry | None:
    try:
        return msgspec.json.decode(sidecar.read_bytes(), type=Entry)
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, data: bytes) -> None:
    """Atomically; nothing stays where that fails."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
