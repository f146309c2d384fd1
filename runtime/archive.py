"""The zip container of a bundle: written byte-reproducibly, read with suspicion.

Members are stored, not compressed, so a small file cannot claim to hold a large one. `manifest.json` lists the SHA-256
of every other member.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from .cache import sha256
from .errors import BundleError, BundleIncompatibleError

SCHEMA = 1
MANIFEST = "manifest.json"

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAX_MEMBERS = 20_000
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


JSON_FAULTS = (msgspec.DecodeError, ValueError, RecursionError)
"""What msgspec raises for bytes that are no such document."""


class _Version(msgspec.Struct):
    schema: int


class Manifest(msgspec.Struct, frozen=True):
    """What a bundle holds. `files`: SHA-256 of each member; `symbols`: the range of each symbolic size."""

    schema: int
    name: str
    abi: int
    machine: str
    isas: tuple[str, ...]
    producers: dict[str, str]
    symbols: dict[str, tuple[int | None, int | None]]
    files: dict[str, str]


def write(path: Path, manifest: Manifest, members: Mapping[str, bytes]) -> None:
    """Writes the bundle atomically; the manifest's `files` are filled in here."""
    sealed = msgspec.structs.replace(manifest, files={name: sha256(members[name]) for name in sorted(members)})
    text = msgspec.json.format(msgspec.json.encode(sealed, order="sorted")) + b"\n"
    if path.exists() and not path.is_file():  # neither a directory nor a device is replaced
        raise FileExistsError(errno.EEXIST, "it is there, and no regular file", str(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name, data in ((MANIFEST, text), *sorted(members.items())):
                info = zipfile.ZipInfo(name, _EPOCH)
                info.create_system = 3
                info.external_attr = (stat.S_IFREG | 0o644) << 16
                archive.writestr(info, data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Contents:
    """All members of a bundle, each with the SHA-256 that the manifest states."""

    def __init__(self, path: Path, manifest: Manifest, members: dict[str, bytes]) -> None:
        self.path = path
        self.manifest = manifest
        self._members = members

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def names(self, prefix: str) -> list[str]:
        """Those of members that begin with `prefix`."""
        return [name for name in self._members if name.startswith(prefix)]

    def read(self, name: str) -> bytes:
        """A member's bytes. Raises BundleError where there is none of that name."""
        if name not in self._members:
            raise self.fault("a part is missing", f"{name} is not in the manifest")
        return self._members[name]

    def text(self, name: str) -> str:
        """A member that is text."""
        try:
            return self.read(name).decode()
        except UnicodeDecodeError as error:
            raise self.fault("a part is no text", f"{name}: {error}") from error

    def fault(self, what: str, why: str) -> BundleError:
        """The error for this file."""
        return refused(self.path, what, why)


def refused(path: Path, what: str, why: str) -> BundleError:
    """The error for a file that is no sound bundle."""
    return BundleError(
        f"The bundle is refused: {what}", where=str(path), why=why, next="make the bundle again, or get a sound copy"
    )


class Reader:
    """An open bundle. Nothing in it is executed; every member is checked against the manifest when read.

    Raises BundleError for anything but a sound bundle, BundleIncompatibleError for another schema.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                raise OSError("it is no regular file")
            self._archive = zipfile.ZipFile(path)
        except Exception as error:  # zipfile raises whatever the parsing of foreign bytes comes to
            raise self.fault("it is no zip file, or was truncated", str(error)) from error
        try:
            self._sizes = self._members()
            self.manifest = self._manifest()
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def __contains__(self, name: str) -> bool:
        return name in self.manifest.files

    def read(self, name: str) -> bytes:
        """A member's bytes, known to be those that were written."""
        if name not in self.manifest.files:
            raise self.fault("a part is missing", f"{name} is not in the manifest")
        data = self._raw(name)
        if sha256(data) != self.manifest.files[name]:
            raise self.fault("a part was altered", f"{name} does not have the SHA-256 that the manifest states")
        return data

    def contents(self) -> Contents:
        """Every member, known to be what was written."""
        return Contents(self.path, self.manifest, {name: self.read(name) for name in sorted(self.manifest.files)})

    def fault(self, what: str, why: str) -> BundleError:
        """The error for this file."""
        return refused(self.path, what, why)

    def _members(self) -> dict[str, int]:
        infos = self._archive.infolist()
        if len(infos) > _MAX_MEMBERS:
            raise self.fault("it has too many parts", f"{len(infos)}, of at most {_MAX_MEMBERS}")
        sizes: dict[str, int] = {}
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)
            if not _NAME.fullmatch(info.filename):
                raise self.fault("a part's name is not allowed", repr(info.filename))
            if info.filename in sizes:
                raise self.fault("a part occurs twice", info.filename)
            if kind not in (0, stat.S_IFREG):
                raise self.fault("a part is no regular file", info.filename)
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 0x1:
                raise self.fault("a part is compressed or encrypted", info.filename)
            sizes[info.filename] = info.file_size
        if sum(sizes.values()) > self.path.stat().st_size:
            raise self.fault("its parts claim to be larger than the file", f"{sum(sizes.values())} bytes")
        return sizes

    def _manifest(self) -> Manifest:
        if MANIFEST not in self._sizes:
            raise self.fault("it is no bundle", f"there is no {MANIFEST} in it")
        data = self._raw(MANIFEST)
        try:
            schema = msgspec.json.decode(data, type=_Version).schema
            if schema != SCHEMA:
                raise BundleIncompatibleError(
                    f"The bundle has schema version {schema}", where=str(self.path), why=f"this version reads {SCHEMA}",
                    next="compile it again, or use the version of warpweave that made it",
                )  # fmt: skip
            manifest = msgspec.json.decode(data, type=Manifest)
        except JSON_FAULTS as error:
            raise self.fault("its manifest cannot be read", str(error)) from error
        differing = set(manifest.files) ^ (set(self._sizes) - {MANIFEST})
        if differing:
            raise self.fault("parts and manifest disagree", ", ".join(sorted(differing)[:5]))
        return manifest

    def _raw(self, name: str) -> bytes:
        try:
            return self._archive.read(name)
        except Exception as error:  # as above
            raise self.fault("a part cannot be read", f"{name}: {error}") from error
