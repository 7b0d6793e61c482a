"""Records that a person exported as a table (CSV): from Purview's audit search, Log Analytics …"""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, Final

from integrations import json_text
from tenants.records import Unreadable

_LONGEST_CELL: Final = 16 * 1024 * 1024
# The first row ends within so much.
_LOOKED_AT: Final = 1024 * 1024
_DELIMITERS: Final = (",", ";", "\t")
# What Log Analytics puts behind the name of a column of times.
_ZONE: Final = " [UTC]"
# Purview's audit search puts the whole record into one column.
_WHOLE_RECORDS: Final = ("auditdata",)


def delimiter_of(content: bytes) -> str:
    """Return what divides the columns of a table; empty where the content is none.

    A table begins with different names, and has as many cells in its first row.
    """
    start = content.lstrip()[:_LOOKED_AT]
    if start[:1] in (b"{", b"[", b"<", b""):
        return ""
    text = start.decode("utf-8", "ignore")
    line = text.split("\n", 1)[0]
    best = max(_DELIMITERS, key=line.count)
    found = csv.reader(io.StringIO(text, newline=""), delimiter=best)
    try:
        names, first = next(found), next((row for row in found if any(row)), [])
    except (csv.Error, StopIteration):
        return ""
    is_table = len(names) > 1 and len(set(names)) == len(names) and all(map(_is_name, names))
    return best if is_table and len(first) == len(names) else ""


def rows(content: bytes, delimiter: str) -> Iterator[dict[str, Any] | Unreadable]:
    """Yield the rows of a table as records; unreadable are one that has not as many cells as there
    are names, and the rest where it is no table any more.
    """
    try:
        text = content.decode("utf-8").lstrip()
    except UnicodeDecodeError:
        reason = "The file is not UTF-8 text. Export it again as UTF-8."
        yield Unreadable(content, "not_utf8", reason)
        return
    csv.field_size_limit(_LONGEST_CELL)
    table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names = [name.removesuffix(_ZONE).strip() for name in next(table)]
    while True:
        before = table.line_num
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            rest = "\n".join(text.split("\n")[before:]).encode()
            told = f"From line {before + 1} on it is no table ({error}). Export it again."
            yield Unreadable(rest, "not_csv", told)
            return
        if not any(cells):
            continue
        if len(cells) != len(names):
            told = (
                f"Line {table.line_num} has {len(cells)} cells for {len(names)} columns."
                " It may be cut off: export it again."
            )
            yield Unreadable(json.dumps(cells).encode(), "not_csv", told)
            continue
        yield _record({name: _value(cell) for name, cell in zip(names, cells, strict=True) if cell})


def _record(row: dict[str, Any]) -> dict[str, Any]:
    for name, value in row.items():
        if name.lower() in _WHOLE_RECORDS and isinstance(value, dict):
            return value
    return row


def _value(cell: str) -> Any:
    """A cell's own JSON, as exports write nested objects; else the text as it is."""
    if cell[:1] not in ("{", "["):
        return cell
    try:
        return json_text.parsed(cell)
    except (ValueError, RecursionError):
        return cell


def _is_name(text: str) -> bool:
    return 0 < len(text.strip()) <= 200
