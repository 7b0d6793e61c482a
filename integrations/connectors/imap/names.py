"""Names of folders and texts as IMAP writes them (RFC 3501 sections 4.3 and 5.1.3). Pure."""

import base64
import re

_ENCODED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_LIST = re.compile(
    rb'\((?P<flags>[^)]*)\) (?P<delimiter>"(?:\\.|[^"\\])*"|NIL) (?P<name>.*)', re.DOTALL
)


def encoded(name: str) -> bytes:
    """Return a folder's name in modified UTF-7."""
    found, waiting = bytearray(), ""
    for character in f"{name}\0":
        if " " <= character <= "~" or character == "\0":
            if waiting:
                packed = base64.b64encode(waiting.encode("utf-16-be")).rstrip(b"=")
                found += b"&" + packed.replace(b"/", b",") + b"-"
                waiting = ""
            found += b"&-" if character == "&" else character.encode().rstrip(b"\0")
        else:
            waiting += character
    return bytes(found)


def decoded(name: bytes) -> str:
    """Return a folder's name from modified UTF-7; what is none stays as it is."""

    def unpacked(match: re.Match[bytes]) -> bytes:
        if not match[1]:
            return b"&"
        padded = match[1].replace(b",", b"/") + b"=" * (-len(match[1]) % 4)
        try:
            return base64.b64decode(padded).decode("utf-16-be").encode()
        except ValueError:
            return match[0]

    return _ENCODED.sub(unpacked, name).decode("utf-8", "replace")


def quoted(text: str | bytes) -> str:
    """Return a quoted string; ValueError for what no quoted string can hold."""
    raw = text if isinstance(text, bytes) else text.encode("ascii")
    if any(byte in b"\r\n\0" or byte > 126 for byte in raw):
        raise ValueError("no quoted string can hold this")
    escaped = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return f'"{escaped.decode("ascii")}"'


def unquoted(raw: bytes) -> bytes:
    """Return what a quoted string, or a bare word, stands for."""
    if raw[:1] == b'"' and raw[-1:] == b'"' and len(raw) > 1:
        return re.sub(rb"\\(.)", rb"\1", raw[1:-1])
    return raw


def listed(line: bytes | tuple[bytes, bytes]) -> tuple[str, str, frozenset[str]] | None:
    """Return name, delimiter and flags (lower case) of a LIST answer; None where it is none."""
    head, literal = line if isinstance(line, tuple) else (line, None)
    found = _LIST.fullmatch(head)
    if found is None:
        return None
    delimiter = "" if found["delimiter"] == b"NIL" else unquoted(found["delimiter"]).decode()
    name = literal if literal is not None else unquoted(found["name"])
    flags = frozenset(found["flags"].decode("ascii", "replace").lower().split())
    return decoded(name), delimiter, flags
