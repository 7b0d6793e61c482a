"""Files that people name on the command line: read whole within bounds, or refused."""

from pathlib import Path

from tenants.errors import HoldfastError


def read_text(path: Path, most: int) -> str:
    """Return a file's text; HoldfastError where it can't be read, isn't UTF-8, or is too large.

    `most` is the largest size in bytes; no more is read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise HoldfastError(f"{path} can't be read: {error.strerror}.") from None
    if len(content) > most:
        raise HoldfastError(f"{path}:1:1: larger than {most // 1024} KB: split it.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise HoldfastError(
            f"{path}:{line}:{column}: can't be read: byte 0x{content[error.start]:02x} is not"
            " UTF-8: save the file as UTF-8."
        ) from None
