"""Files of records: JSON, NDJSON, or recorded HTTP exchanges, in any mixture that people keep.

Nothing in a file is lost: a line that is no JSON, or an answer that holds no records, becomes an
unreadable record with a reason.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tenants.errors import IntakeError
from tenants.intake import Unreadable
from tenants.records import SourceRecord

_LARGEST_FILE_BYTES = 512 * 1024 * 1024
_DEEPEST = 100


def read(path: Path) -> Iterator[SourceRecord | Unreadable]:
    """Yield the records of a file, in its order; IntakeError where there is no such file."""
    content = _bytes(path)
    document, is_one = _as_one_document(content)
    if is_one:
        yield from records_of(document)
        return
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            yield from _of_line(line, number)


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
    return content.removeprefix(b"\xef\xbb\xbf")


def _as_one_document(content: bytes) -> tuple[Any, bool]:
    try:
        return _parse(content), True
    except ValueError:
        return None, False


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _of_line(line: bytes, number: int) -> Iterator[SourceRecord | Unreadable]:
    try:
        document = _parse(line)
    except UnicodeDecodeError:
        yield Unreadable(
            line, "not_utf8", f"Line {number} is not UTF-8 text. Export it again as UTF-8."
        )
    except ValueError as error:
        yield Unreadable(
            line,
            "not_json",
            f"Line {number} is not JSON ({str(error)[:80]}). It may be cut off: export it again.",
        )
    else:
        yield from records_of(document)


def records_of(document: Any, url: str = "") -> Iterator[SourceRecord | Unreadable]:
    """Yield the records in a parsed document: a list, an OData page, an exchange, or a record."""
    if isinstance(document, list):
        for item in document:
            yield from _record(item, url)
    elif isinstance(document, dict) and {"url", "status", "body"} <= document.keys():
        yield from _of_exchange(document)
    elif isinstance(document, dict) and _is_page(document):
        value = document["value"]
        yield from records_of(value if isinstance(value, list) else [value], url)
    else:
        yield from _record(document, url)


def _is_page(document: dict[str, Any]) -> bool:
    rest = {key for key in document if not key.startswith("@")}
    return rest == {"value"} and isinstance(document["value"], list | dict)


def _of_exchange(exchange: dict[str, Any]) -> Iterator[SourceRecord | Unreadable]:
    """Take the records out of one recorded HTTP exchange."""
    status, body, url = exchange["status"], exchange["body"], str(exchange["url"])
    whole = json.dumps(exchange, sort_keys=True).encode("utf-8", "surrogatepass")
    if isinstance(status, int) and status >= 400:
        yield Unreadable(
            whole,
            "http_error",
            f"An HTTP {status} answer of {_path(url)}: it holds no records. Fix the request.",
        )
    elif body is None or body == "":
        yield Unreadable(whole, "no_content", f"The answer of {_path(url)} has no content.")
    elif isinstance(body, dict) and set(body) == {"_unparsed"}:
        yield Unreadable(
            whole, "not_json", f"The answer of {_path(url)} is not JSON: it may be cut off."
        )
    elif isinstance(body, dict) and _is_page(body) and body["value"] == []:
        yield Unreadable(whole, "no_content", f"The answer of {_path(url)} has no records.")
    elif isinstance(body, str | int | float | bool):
        yield Unreadable(
            whole, "not_a_record", f"The answer of {_path(url)} is a plain value, not a record."
        )
    else:
        yield from records_of(body, url)


def _path(url: str) -> str:
    return url.split("?", 1)[0][:120]


def _record(item: Any, url: str) -> Iterator[SourceRecord | Unreadable]:
    if not isinstance(item, dict):
        yield Unreadable(
            json.dumps(item).encode("utf-8", "surrogatepass"),
            "not_an_object",
            f"A record is a JSON object, and this is a {type(item).__name__}.",
        )
    elif _depth(item) > _DEEPEST:
        yield Unreadable(
            json.dumps(item).encode("utf-8", "surrogatepass"),
            "too_deep",
            f"The record is nested more than {_DEEPEST} levels deep.",
        )
    else:
        yield SourceRecord(item, {"url": url} if url else {})


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest <= _DEEPEST:
        deepest += 1
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return deepest
