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
_DEEPEST_DOCUMENT = 400


def read(path: Path) -> Iterator[SourceRecord | Unreadable]:
    """Yield the records of a file, in its order; IntakeError where there is no such file."""
    content = _bytes(path)
    document, is_one = _as_one_document(content)
    if is_one:
        yield from records_of(document)
        return
    if not any(_is_json_object(line) for line in content.splitlines()):
        yield _unreadable(content, "The file")
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
    """Parse JSON; ValueError where it is none, or nested deeper than Python can handle later."""
    try:
        document = json.loads(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _is_deeper(document, _DEEPEST_DOCUMENT):
        raise ValueError("nested too deeply")
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
    except ValueError as error:
        reason = f"{what} is not JSON ({str(error)[:80]}). It may be cut off: export it again."
        return Unreadable(content, "not_json", reason)
    raise AssertionError("It can be read.")


def _of_line(line: bytes, number: int) -> Iterator[SourceRecord | Unreadable]:
    try:
        document = _parse(line)
    except ValueError:
        yield _unreadable(line, f"Line {number}")
    else:
        yield from records_of(document)


def records_of(document: Any) -> Iterator[SourceRecord | Unreadable]:
    """Yield the records in a parsed document: exchanges, OData pages, records, or lists."""
    for item in document if isinstance(document, list) else [document]:
        if isinstance(item, dict) and {"url", "status", "body"} <= item.keys():
            yield from _of_exchange(item)
        else:
            yield from _of_page(item, "")


def _of_page(item: Any, url: str) -> Iterator[SourceRecord | Unreadable]:
    value = item["value"] if isinstance(item, dict) and _is_page(item) else item
    for record in value if isinstance(value, list) and value is not item else [value]:
        yield from _record(record, url)


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
        for item in body if isinstance(body, list) else [body]:
            yield from _of_page(item, url)


def _path(url: str) -> str:
    return url.split("?", 1)[0][:120]


def _record(item: Any, url: str) -> Iterator[SourceRecord | Unreadable]:
    if not isinstance(item, dict):
        yield Unreadable(
            json.dumps(item).encode("utf-8", "surrogatepass"),
            "not_an_object",
            f"A record is a JSON object, and this is a {type(item).__name__}.",
        )
    elif _is_deeper(item, _DEEPEST):
        yield Unreadable(
            json.dumps(item).encode("utf-8", "surrogatepass"),
            "too_deep",
            f"The record is nested more than {_DEEPEST} levels deep.",
        )
    else:
        yield SourceRecord(item, {"url": url} if url else {})


def _is_deeper(value: Any, levels: int) -> bool:
    """Say whether containers are nested more than `levels` deep; without recursion."""
    containers = [value] if isinstance(value, dict | list) else []
    depth = 0
    while containers and depth <= levels:
        depth += 1
        containers = [
            child
            for item in containers
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
    return depth > levels
