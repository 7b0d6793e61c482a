"""Files and deliveries of records: JSON, NDJSON, or recorded HTTP exchanges, in any mixture.

A file may be packed (gzip), a table (CSV), or text with a byte order mark, as exports are.

Nothing in a file is lost: a line that is no JSON, or an answer that holds no records, becomes an
unreadable record with a reason.
"""

import codecs
import datetime as dt
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from integrations import doubled, json_text, tables
from integrations.contract import ReadContent
from tenants.errors import IntakeError
from tenants.records import SourceRecord, Unreadable

Explode = Callable[[Any], Iterable[SourceRecord]]

_LARGEST_FILE_BYTES = 512 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_DEEPEST = 100
_DEEPEST_DOCUMENT = 400


def read(
    path: Path, explode: Explode, reader: ReadContent | None = None
) -> Iterator[SourceRecord | Unreadable]:
    """Yield the records of a file, in its order; IntakeError where there is no such file.

    `explode` is the connector's: it knows the envelopes that its vendor puts records in. `reader`
    is the feed's, where its records are no JSON; they arrived when the file was last written.
    """
    content = _as_utf8(_unpacked(_bytes(path), path))
    if reader is None:
        delimiter = tables.delimiter_of(content)
        yield from _rows(content, delimiter, explode) if delimiter else records(content, explode)
    else:
        yield from reader(content, dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC))


def records(content: bytes, explode: Explode) -> Iterator[SourceRecord | Unreadable]:
    """Yield the records of a content that is JSON or NDJSON, in its order."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    document, is_one = _as_one_document(content)
    if is_one:
        yield from _records(document, explode)
        return
    if not any(_is_json_object(line) for line in content.splitlines()):
        yield _unreadable(content, "The file")
        return
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            yield from _of_line(line, number, explode)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise IntakeError(
                f"{path} is larger than {_LARGEST_FILE_BYTES // 2**20} MB: split it by lines."
            )
        content = path.read_bytes()
    except OSError as error:
        raise IntakeError(f"{path} can't be read: {error.strerror}.") from None
    if not content.strip():
        raise IntakeError(f"{path} is empty.")
    return content


def _unpacked(content: bytes, path: Path) -> bytes:
    """The content of a gzip file; another is left as it is. IntakeError where it is broken."""
    if not content.startswith(_GZIP):
        return content
    try:
        with gzip.open(io.BytesIO(content)) as file:
            inner = file.read(_LARGEST_FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise IntakeError(f"{path} can't be unpacked ({error}): fetch it again.") from None
    if len(inner) > _LARGEST_FILE_BYTES:
        raise IntakeError(
            f"{path} holds more than {_LARGEST_FILE_BYTES // 2**20} MB: split it by lines."
        )
    if not inner.strip():
        raise IntakeError(f"{path} is empty.")
    return inner


def _as_utf8(content: bytes) -> bytes:
    """The content in UTF-8, if a byte order mark says how it is written."""
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content
    try:
        return content.decode("utf-16").encode("utf-8")
    except UnicodeError:
        return content


def _rows(content: bytes, delimiter: str, explode: Explode) -> Iterator[SourceRecord | Unreadable]:
    for row in tables.rows(content, delimiter):
        if isinstance(row, Unreadable):
            yield row
        else:
            yield from _records(row, explode)


def _as_one_document(content: bytes) -> tuple[Any, bool]:
    try:
        return _parse(content), True
    except ValueError:
        return None, False


class _TooDeep(ValueError):
    """Nested deeper than Python can handle later."""


def _parse(content: bytes) -> Any:
    """Parse JSON; ValueError where it is none, or nested too deeply."""
    try:
        document = json_text.parsed(content.decode("utf-8"))
    except RecursionError:
        raise _TooDeep from None
    if _looked_at(document, _DEEPEST_DOCUMENT).is_too_deep:
        raise _TooDeep
    return document


def _is_json_object(line: bytes) -> bool:
    if not line.lstrip().startswith((b"{", b"[")):
        return False
    try:
        _parse(line)
    except ValueError:
        return False
    return True


def _unreadable(content: bytes, what: str) -> Unreadable:
    try:
        _parse(content)
    except UnicodeDecodeError:
        reason = f"{what} is not UTF-8 text. Export it again as UTF-8."
        return Unreadable(content, "not_utf8", reason)
    except _TooDeep:
        reason = f"{what} is nested more than {_DEEPEST_DOCUMENT} levels deep: no vendor's is."
        return Unreadable(content, "too_deep", reason)
    except ValueError as error:
        reason = f"{what} is not JSON ({str(error)[:80]}). It may be cut off: export it again."
        return Unreadable(content, "not_json", reason)
    raise AssertionError("It can be read.")


def _of_line(line: bytes, number: int, explode: Explode) -> Iterator[SourceRecord | Unreadable]:
    try:
        document = _parse(line)
    except ValueError:
        yield _unreadable(line, f"Line {number}")
    else:
        yield from _records(document, explode)


def _records(document: Any, explode: Explode) -> Iterator[SourceRecord | Unreadable]:
    for record in explode(document):
        refused = record.context.get("quarantine")
        if refused:
            yield Unreadable(_as_bytes(record), refused["code"], refused["reason"])
            continue
        looked = _looked_at(record.body, _DEEPEST)
        if looked.is_too_deep:
            reason = f"The record is nested more than {_DEEPEST} levels deep."
            yield Unreadable(_as_bytes(record), "too_deep", reason)
        else:
            yield doubled.spread(record) if looked.has_doubled else record


def _as_bytes(record: SourceRecord) -> bytes:
    # A bare value comes wrapped, since a record is an object; it is kept as it was.
    bare = record.body.keys() == {"_value"}
    content, _ = json_text.spread(record.body["_value"] if bare else record.body)
    return json.dumps(content, sort_keys=True).encode("utf-8", "surrogatepass")


class _Looked(NamedTuple):
    is_too_deep: bool
    has_doubled: bool


def _looked_at(value: Any, levels: int) -> _Looked:
    """Tell of containers more than `levels` deep, and of doubled keys; without recursion."""
    containers = [value] if isinstance(value, dict | list) else []
    depth, has_doubled = 0, False
    while containers and depth <= levels:
        depth += 1
        has_doubled = has_doubled or json_text.Doubled in map(type, containers)
        containers = [
            child
            for item in containers
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
    return _Looked(depth > levels, has_doubled)
