"""Indicators of a STIX 2.1 bundle. Pure.

Source: https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html (4.7, 9).
Looked for are patterns that compare one property with one value, joined by OR. All others are kept,
and listed as not matched.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.intelligence.found import Found, entity_of, moment, own_id, percent

_LONGEST_PATTERN = 20_000
_PATH = r"([a-z0-9-]+):([A-Za-z0-9_.'\"-]+)"
_COMPARISON = rf"{_PATH}\s*=\s*'((?:[^'\\]|\\.)*)'"
_ONE = re.compile(_COMPARISON)
_OR = re.compile(r"\s+OR\s+")
# How MISP exports the address of a connection; the type says nothing that the value does not.
_CONNECTION = re.compile(
    r"\[\s*network-traffic:(src|dst)_ref\.type\s*=\s*'ipv[46]-addr'\s+AND\s+"
    r"network-traffic:\1_ref\.value\s*=\s*'([^'\\]+)'\s*\]"
)
# Paths of cyber-observables that events name, with the kind of entity of each.
_VALUES = {
    ("ipv4-addr", "value"): "ipv4-addr",
    ("ipv6-addr", "value"): "ipv6-addr",
    ("domain-name", "value"): "domain-name",
    ("url", "value"): "url",
    ("email-addr", "value"): "email-addr",
    ("email-message", "from_ref.value"): "email-addr",
    ("email-message", "sender_ref.value"): "email-addr",
    ("network-traffic", "dst_ref.value"): "ip",
    ("network-traffic", "src_ref.value"): "ip",
    ("file", "hashes.MD5"): "md5",
    ("file", "hashes.SHA-1"): "sha1",
    ("file", "hashes.SHA-256"): "sha256",
}


def read(bundle: Mapping[str, Any]) -> Iterator[Found]:
    """Yield what each indicator of a bundle, or of a TAXII envelope, tells."""
    items = [
        item
        for item in bundle.get("objects") or ()
        if isinstance(item, Mapping) and item.get("type") == "indicator"
    ]
    # An object may be told in several versions (3.6): the newest holds.
    newest: dict[str, Mapping[str, Any]] = {}
    for item in sorted(items, key=lambda one: str(one.get("modified", ""))):
        newest[str(item.get("id"))] = item
    for item in items:
        if item.get("id") is None or newest[str(item["id"])] is item:
            yield from _indicator(item)


def _indicator(item: Mapping[str, Any]) -> Iterator[Found]:
    pattern = str(item.get("pattern", ""))
    external_id = str(item.get("id") or own_id(pattern))[:300]
    kind = str(item.get("pattern_type") or "stix")
    values, why = _terms(pattern) if kind == "stix" else ([], f"its pattern is in {kind}, not STIX")
    if not values:
        yield _found(item, external_id, pattern, "", why)
    for told, value in values:
        entity, reason = entity_of(told, value)
        yield _found(item, external_id, pattern, entity, reason)


def _found(
    item: Mapping[str, Any], external_id: str, told: str, entity: str, not_matched: str
) -> Found:
    return Found(
        external_id=external_id,
        told=told[:_LONGEST_PATTERN],
        entity=entity,
        title=str(item.get("name") or "")[:300],
        confidence=percent(item["confidence"]) if "confidence" in item else None,
        valid_from=moment(item.get("valid_from")),
        expires_at=moment(item.get("valid_until")),
        is_revoked=item.get("revoked") is True,
        not_matched=not_matched[:300],
    )


def _terms(pattern: str) -> tuple[list[tuple[str, str]], str]:
    """Return (kind, value) of each comparison, or nothing and why it can't be looked for."""
    if len(pattern) > _LONGEST_PATTERN:
        return [], "its pattern is too long"
    if connection := _CONNECTION.fullmatch(pattern.strip()):
        return [("ip", connection[2])], ""
    rest, found = pattern.strip(), []
    while True:
        if not rest.startswith("["):
            return [], "its pattern has more than values joined by OR"
        terms, rest = _inside(rest[1:].lstrip())
        if terms is None:
            return [], "its pattern has more than values joined by OR"
        found += terms
        rest = rest.strip()
        if not rest:
            break
        joined = _OR.match(f" {rest}")
        if joined is None:
            return [], "its pattern asks for things that follow each other"
        rest = f" {rest}"[joined.end() :].lstrip()
    unknown = [f"{name}:{path}" for name, path, _ in found if (name, path) not in _VALUES]
    if unknown:
        return [], f"no event that Holdfast reads has {unknown[0]}"
    return [(_VALUES[name, path], value) for name, path, value in found], ""


def _inside(text: str) -> tuple[list[tuple[str, str, str]] | None, str]:
    """Return the comparisons up to the closing bracket, and what follows it."""
    found = []
    while True:
        term = _ONE.match(text)
        if term is None:
            return None, ""
        path = term[2].replace("'", "").replace('"', "")
        found.append((term[1], path, re.sub(r"\\(.)", r"\1", term[3])))
        text = text[term.end() :]
        if text.lstrip().startswith("]"):
            return found, text.lstrip()[1:]
        joined = _OR.match(text)
        if joined is None:
            return None, ""
        text = text[joined.end() :]
