"""The on-disk cache of compiled code: content-addressed, verified on every load, safe under concurrent processes.

`<root>/kernels/<name>/<key>.so` with `<key>.json` beside it: the key's components, and the SHA-256 of the object. An
object that does not match its sidecar is deleted and made again, never loaded. `<root>/failed` keeps refused sources.
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
from pathlib import Path

import filelock
import msgspec
import platformdirs

from .errors import CacheRefusedError

logger = logging.getLogger("warpweave.runtime.cache")

VARIABLE = "WARPWEAVE_CACHE_DIR"
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
    global _private
    stated = os.environ.get(VARIABLE)
    root = Path(stated).expanduser() if stated else platformdirs.user_cache_path("warpweave")
    try:
        return checked(root)
    except CacheRefusedError as refusal:
        if _private is None or not _private.exists():
            _private = Path(tempfile.mkdtemp(prefix="warpweave-"))
            atexit.register(_remove_private, _private, os.getpid())
            logger.warning("%s\nusing %s for this process", refusal, _private)
        return _private


def _remove_private(root: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(root, ignore_errors=True)


def checked(root: Path) -> Path:
    """`root`, made if need be. Raises CacheRefusedError if another user owns it or anyone may write to it."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = root.stat()
    except OSError as error:
        raise _refusal(root, str(error), f"set {VARIABLE} to a directory of yours") from error
    if status.st_uid != os.getuid():
        raise _refusal(root, f"it belongs to user id {status.st_uid}", f"set {VARIABLE} to a directory of yours")
    if status.st_mode & stat.S_IWOTH:
        raise _refusal(root, "everyone may write to it, and its contents are executed", f"chmod o-w {root}")
    if not os.access(root, os.W_OK | os.X_OK):
        raise _refusal(root, "it cannot be written to", f"set {VARIABLE} to a directory of yours")
    return root


def _refusal(root: Path, why: str, next: str) -> CacheRefusedError:
    return CacheRefusedError("The cache directory is refused", where=str(root), why=why, next=next)


class Cache:
    """A cache of objects below `root` (default: `default_root()`)."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = checked(root) if root else default_root()
        self.failed = self.root / "failed"
        self._kernels = self.root / "kernels"

    def get_or_make(
        self, name: str, components: Mapping[str, str], make: Callable[[Path], None]
    ) -> tuple[Path, Lookup]:
        """The object for `components`; `make(path)` writes it if there is none that is sound.

        Two processes that want the same one wait for each other; readers never see half an object.
        """
        key = key_of(components)
        path = self._folder(name) / f"{key}.so"
        found = self._sound(path)
        if found:
            return path, Lookup(name, key, hit=True, reason="hit")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with filelock.FileLock(path.with_suffix(".lock")):
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
        return sum(path.stat().st_size for folder in self._folders() for path in folder.rglob("*") if path.is_file())

    def clear(self) -> int:
        """Deletes all entries; gives the number of bytes freed. Programs already loaded keep running."""
        freed = self.size()
        for folder in self._folders():
            shutil.rmtree(folder, ignore_errors=True)
        return freed

    def _folders(self) -> list[Path]:
        return [self._kernels, self.failed]

    def _folder(self, name: str) -> Path:
        return self._kernels / (re.sub(r"[^A-Za-z0-9_-]", "_", name)[:80] or "_")

    def _sound(self, path: Path) -> bool:
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
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def _make(self, path: Path, entry: Entry, make: Callable[[Path], None]) -> None:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        os.close(handle)
        fresh = Path(temporary)
        try:
            make(fresh)
            data = fresh.read_bytes()
            sealed = msgspec.structs.replace(entry, sha256=sha256(data), bytes=len(data))
            os.replace(fresh, path)
            _write(path.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(sealed, order="sorted")))
        finally:
            fresh.unlink(missing_ok=True)

    def _miss(self, name: str, key: str, components: Mapping[str, str]) -> Lookup:
        others = [entry for sidecar in self._folder(name).glob("*.json") if (entry := _read(sidecar))]
        if not others:
            return Lookup(name, key, hit=False, reason="first of its name")
        differing = min((_differing(components, entry.components) for entry in others), key=len)
        if not differing:
            return Lookup(name, key, hit=False, reason="its cached object was missing or damaged")
        return Lookup(name, key, hit=False, component=differing[0], reason=f"differs in {', '.join(differing)}")


def _differing(wanted: Mapping[str, str], have: Mapping[str, str]) -> list[str]:
    names = [*wanted, *(name for name in have if name not in wanted)]
    return [name for name in names if wanted.get(name) != have.get(name)]


def _read(sidecar: Path) -> Entry | None:
    try:
        return msgspec.json.decode(sidecar.read_bytes(), type=Entry)
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, data: bytes) -> None:
    """Atomically."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.replace(temporary, path)
