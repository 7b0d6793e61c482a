"""Indicators out of a file: STIX 2.1, MISP, CISA KEV, a table or a list, each recognised. Pure.

Source: https://www.cisa.gov/known-exploited-vulnerabilities-catalog (JSON schema).
"""

import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.intelligence import misp, stix, tables
from integrations.intelligence.found import Found, entity_of, moment, own_id
from tenants.errors import HoldfastError

MOST = 1_000_000
LARGEST = 256 * 2**20
# What broken JSON is gone on with behind: the next thing of a list.
_NEXT = re.compile(r"\}\s*+(?:,\s*+)?(?=\{)")
_LISTS = re.compile(r"\"(?:objects|vulnerabilities|Attribute|response)\"\s*:\s*\[|\A\s*\[")
_MOST_BREAKS = 1_000
_BROKEN = "a part of the JSON can’t be read"


class Unreadable(HoldfastError):
    """A file that is none of the kinds that can be read; the message says what to give."""


def read(content: bytes) -> Iterator[Found]:
    """Yield what a file tells; Unreadable where it is of no known kind.

    What is broken in the midst of it is told as such, and stops nothing behind it.
    """
    text = _text(_unpacked(content))
    begin = text.lstrip()[:2000]
    if begin[:1] == "<":
        raise Unreadable(_why_no_xml(begin))
    if begin[:1] not in ("{", "["):
        yield from _table(text)
        return
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield from _broken(text, str(error))
        return
    yield from read_document(document)


def _unpacked(content: bytes) -> bytes:
    """Return a file's content, out of a gzip or a zip of one file where it is one."""
    try:
        if content[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(content)) as packed:
                content = packed.read(LARGEST + 1)
        elif content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [one for one in archive.infolist() if not one.is_dir()]
                if len(names) != 1:
                    raise Unreadable("The archive has several files: give one of them.")
                with archive.open(names[0]) as one:
                    content = one.read(LARGEST + 1)
    except EOFError:
        raise Unreadable("The archive is cut off: fetch it again.") from None
    except (OSError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError):
        raise Unreadable("The archive can’t be unpacked: give the file in it.") from None
    if len(content) > LARGEST:
        raise Unreadable(f"The file has more than {LARGEST // 2**20} MB: split it.")
    return content


def _text(content: bytes) -> str:
    """Return a file's text: UTF-8, UTF-16 by its mark, else as Windows writes western languages."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", "replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")
    if not text.strip():
        raise Unreadable("The file is empty.")
    if "\0" in text[:100_000]:
        raise Unreadable("The file is no text: give STIX 2.1 or MISP as JSON, or a table.")
    return text


def _why_no_xml(begin: str) -> str:
    if "stix" in begin.lower():
        return (
            "This is STIX 1 in XML, which is not read: ask the source for STIX 2.1 (JSON), or turn "
            "it into that with OASIS' stix2-elevator."
        )
    return "This is a web page or XML, no list: check the address, or export it as JSON or CSV."


def _table(text: str) -> Iterator[Found]:
    if text.lstrip()[:1] == "":
        raise Unreadable("The file is empty.")
    try:
        yield from tables.read(text)
    except tables.NoTable as error:
        raise Unreadable(str(error)) from None


def read_document(document: Any, context: stix.Context | None = None) -> Iterator[Found]:
    """Yield what parsed JSON tells; Unreadable where it is of no known kind.

    `context` is of the pages of one reading that belong together (see `stix.read`).
    """
    if isinstance(document, Mapping):
        if isinstance(document.get("vulnerabilities"), list):
            yield from _kev(document)
            return
        if document.get("type") == "bundle" or isinstance(document.get("objects"), list):
            yield from stix.read(document, context)
            return
    events = list(misp.events(document))
    if not events:
        raise Unreadable(
            "This JSON is no STIX 2.1 bundle, no MISP event and no KEV catalogue: export it as one."
        )
    for event in events:
        yield from misp.read(event)


def _broken(text: str, error: str) -> Iterator[Found]:
    """Yield what whole things of broken JSON tell, and what is broken.

    That is one thing a line (as exports of many write it), or the list in a document.
    """
    start = _LISTS.search(text)
    if _parsed(text.lstrip().split("\n", 1)[0]) is not None:
        things, broken = _by_line(text)
    else:
        things, broken = _things(text, start.end() if start else 0)
    if not things:
        raise Unreadable(f"The file begins as JSON and is not whole: {error}")
    yield from _of_things(things)
    for part in broken:
        yield Found(own_id(f"broken {part}"), part[:20_000], not_matched=_BROKEN)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _by_line(text: str) -> tuple[list[Any], list[str]]:
    """Return what stands on the lines, each a thing of its own, and the lines that are broken."""
    things: list[Any] = []
    broken: list[str] = []
    for line in io.StringIO(text):
        if line.strip():
            thing = _parsed(line)
            (broken if thing is None else things).append(line.strip() if thing is None else thing)
    return things, broken


def _things(text: str, at: int) -> tuple[list[Any], list[str]]:
    """Return the whole things from a place on, and the parts between them that are broken."""
    decoder, things, broken = json.JSONDecoder(), [], []
    while (at := text.find("{", at)) >= 0:
        try:
            thing, at = decoder.raw_decode(text, at)
            things.append(thing)
        except (ValueError, RecursionError):
            following = _NEXT.search(text, at + 1)
            end = following.end() if following else len(text)
            broken.append(text[at:end].rstrip(" ,\r\n"))
            if following is None or len(broken) >= _MOST_BREAKS:
                break
            at = end
    return things, broken


def _of_things(things: list[Any]) -> Iterator[Found]:
    if any(isinstance(one, Mapping) and one.get("cveID") for one in things):
        yield from _kev({"vulnerabilities": things})
        return
    if any(isinstance(one, Mapping) and one.get("type") == "bundle" for one in things):
        objects = [item for one in things for item in one.get("objects") or ()]
        yield from stix.read({"objects": objects})
        return
    if any(isinstance(one, Mapping) and str(one.get("pattern", "")) for one in things):
        yield from stix.read({"objects": things})
        return
    if any(isinstance(one, Mapping) and "to_ids" in one for one in things):
        yield from misp.read({"Attribute": things})
        return
    yield from read_document(things)


def _kev(catalogue: Mapping[str, Any]) -> Iterator[Found]:
    for row in catalogue["vulnerabilities"]:
        if not isinstance(row, Mapping) or not row.get("cveID"):
            continue
        cve = str(row["cveID"])
        entity, why = entity_of("cve", cve)
        in_ransomware = str(row.get("knownRansomwareCampaignUse", "")).lower() == "known"
        yield Found(
            external_id=cve,
            told=cve,
            entity=entity,
            title=f"{row.get('vendorProject', '')} {row.get('product', '')}: "
            f"{row.get('vulnerabilityName', '')}"[:300],
            confidence=100,
            valid_from=moment(row.get("dateAdded")),
            not_matched=why,
            about=("campaign: ransomware uses it",) if in_ransomware else (),
        )
