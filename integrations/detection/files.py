"""Rule files as somebody gives them: a file, a folder or an archive, read with bounds."""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from integrations.detection.errors import RulesUnreadable
from tenants.storable import storable

LARGEST_BYTES: Final = 1024 * 1024
_MOST_FILES = 20_000
_MOST_BYTES = 256 * 1024 * 1024
_ENDINGS = (".yml", ".yaml")
_PACKED: Final = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
# What is raised where an archive is broken, or packed in a way that is not known here.
_BROKEN: Final = (
    OSError, EOFError, NotImplementedError, zipfile.BadZipFile, tarfile.TarError, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
# A tar's long names and attributes: what reads tars reads them whole.
_HEADERS: Final = frozenset({
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
})  # fmt: skip

File = tuple[str, bytes]


def files_of(path: Path) -> Iterator[File]:
    """Yield name and content of a file, or of each rule file in a folder or archive, bounded.

    An archive is a zip or a tar, packed or not. RulesUnreadable where it can't be read.
    """
    try:
        for name, content in _files_of(path):
            yield storable(name), content
    except _BROKEN as error:
        why = getattr(error, "strerror", None) or error
        raise RulesUnreadable(f"Rules can't be read from {path}: {why}.") from None


def _files_of(path: Path) -> Iterator[File]:
    if path.is_dir():
        found = (file for file in sorted(path.rglob("*")) if _is_wanted(file.relative_to(path)))
        yield from _bounded(
            (str(file.relative_to(path)), file.read_bytes()) for file in found if _is_plain(file)
        )
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from _bounded(_zipped(archive))
    elif (tar := _as_tar(path)) is not None:
        with tar:
            yield from _bounded(_tarred(tar))
    else:
        yield path.name, _alone(path)


def _alone(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if content.startswith(_PACKED):
        raise RulesUnreadable(
            f"{path} is packed, but is neither a whole zip nor a whole tar: fetch it again, or"
            " unpack it first where it is a single file."
        )
    return content


class _Member(tarfile.TarInfo):
    """A member whose name and attributes are bounded."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        """Read the block that begins a member."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in _HEADERS and found.size > LARGEST_BYTES:
            raise RulesUnreadable("A name or attribute in the archive is larger than 1 MB.")
        return found


def _as_tar(path: Path) -> tarfile.TarFile | None:
    if not path.is_file():
        return None
    try:
        return tarfile.open(path, tarinfo=_Member)
    except tarfile.TarError:
        return None


def _bounded(files: Iterable[File]) -> Iterator[File]:
    total = 0
    for count, (name, content) in enumerate(files, start=1):
        total += len(content)
        if count > _MOST_FILES or total > _MOST_BYTES:
            raise RulesUnreadable(
                f"More than {_MOST_FILES} files or {_MOST_BYTES // 2**20} MB of rules:"
                " load them in parts."
            )
        yield name, content


def _is_plain(file: Path) -> bool:
    if not file.is_file():
        return False
    if file.is_symlink():
        raise RulesUnreadable(f"{file} is a link: put the file itself there.")
    return True


def _is_wanted(name: Path | PurePosixPath) -> bool:
    is_hidden = any(part[0] == "." and part != ".." for part in name.parts)
    return name.suffix.lower() in _ENDINGS and not is_hidden


def _zipped(archive: zipfile.ZipFile) -> Iterator[File]:
    for member in archive.infolist():
        if not member.is_dir() and _is_wanted(PurePosixPath(member.filename)):
            if member.flag_bits & 1:
                raise RulesUnreadable(f"{member.filename} is encrypted: unpack the archive first.")
            with archive.open(member) as file:
                yield member.filename, file.read(LARGEST_BYTES + 1)


def _tarred(archive: tarfile.TarFile) -> Iterator[File]:
    passed = 0
    for member in archive:
        # What stands before a member has to be unpacked to get at it.
        passed += member.size
        if passed > 4 * _MOST_BYTES:
            raise RulesUnreadable("The archive holds too much beside rules: take only the rules.")
        if not _is_wanted(PurePosixPath(member.name)):
            continue
        if member.issym() or member.islnk():
            raise RulesUnreadable(f"{member.name} is a link: put the file itself there.")
        if member.isfile():
            file = archive.extractfile(member)
            if file is not None:
                yield member.name, file.read(LARGEST_BYTES + 1)
