"""What is never looked for, since everybody meets it: private networks, big sites, empty files.

Below a site where anybody may keep something, a whole address (URL) still counts.
"""

import ipaddress
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_FILE = Path(__file__).with_name("warning_lists.json")
_FREE_MAIL = ("gmail.com", "outlook.com", "live.com", "icloud.com", "yahoo.com")


@cache
def _lists() -> Mapping[str, Any]:
    told: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return told


def why_not(entity: str) -> str:
    """Return on which warning list an entity stands, in words; empty where it is on none."""
    kind, _, value = entity.partition(":")
    if kind == "ip":
        return _address(value)
    if kind == "file":
        return _listed("hashes", value)
    if kind == "domain":
        return _domain(value)
    if kind == "url":
        parts = urlsplit(value)
        host = parts.hostname or ""
        is_whole = parts.path.strip("/") or parts.query
        if is_whole and any(_is_below(host, one) for one in _lists()["hosted"]):
            return ""
        return _address(host) if _is_address(host) else _domain(host)
    if kind == "sender" and value.rpartition("@")[2] not in _FREE_MAIL:
        return _domain(value.rpartition("@")[2])
    return ""


def _address(value: str) -> str:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return ""
    if not address.is_global or address.is_multicast:
        # Of the networks for examples too: no event of a real client has them.
        return "it is an address of a private or reserved network"
    return _listed("addresses", str(address))


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _domain(value: str) -> str:
    for name, domains in _lists()["domains"].items():
        if any(_is_below(value, one) for one in domains):
            return f"it is {name}"
    return ""


def _is_below(value: str, domain: str) -> bool:
    return value == domain or value.endswith(f".{domain}")


def _listed(kind: str, value: str) -> str:
    return next((f"it is {name}" for name, all_ in _lists()[kind].items() if value in all_), "")
