"""What is never looked for, since everybody meets it: private networks, big sites, empty files.

These lists come with Holdfast; an MSP takes in others (see `warnings`). Below a site where anybody
may keep something, a whole address (URL) still counts. Pure.
"""

import ipaddress
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from integrations.intelligence.found import NETWORK, NETWORKS
from integrations.intelligence.naming import host_of, with_parents

_FILE = Path(__file__).with_name("warning_lists.json")
_FREE_MAIL = ("gmail.com", "outlook.com", "live.com", "icloud.com", "yahoo.com")
_SHARED = "it is a name below which strangers have their own"
_RESERVED = "it is an address of a private or reserved network"


@cache
def told() -> Mapping[str, Any]:
    """Return the lists that come with Holdfast, by what they hold."""
    known: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return known


@cache
def _reasons() -> Mapping[str, str]:
    """Return why each listed entity is one, by its name."""
    kinds = {"addresses": "ip:", "networks": NETWORKS, "domains": "domain:", "hashes": "file:"}
    return {
        f"{'ip:' if kind == NETWORKS and '/' not in value else kind}{value}": f"it is {name}"
        for group, kind in kinds.items()
        for name, values in told()[group].items()
        for value in values
    }


def why_not(entity: str) -> str:
    """Return on which warning list an entity stands, in words; empty where it is on none."""
    kind, _, value = entity.partition(":")
    if kind in ("ip", NETWORK) and _is_reserved(value):
        # Of the networks for examples too: no event of a real client has them.
        return _RESERVED
    if kind == "url" and (_is_reserved(host_of(value)) or not is_hosted(value)):
        return _RESERVED if _is_reserved(host_of(value)) else _listed(entity)
    if kind == "url" or is_free_mail(entity):
        return ""
    if kind == "domain" and _is_below_shared(value):
        return _SHARED if value in told()["shared"] else ""
    return _listed(entity)


def _is_below_shared(name: str) -> bool:
    """Whether a name is one below which anybody may have their own, or is such a one of somebody.

    As an indicator the first would point at all of them, and the second is where phishing stands.
    """
    parts = name.split(".")
    return any(".".join(parts[at:]) in told()["shared"] for at in range(len(parts)))


def is_hosted(url: str) -> bool:
    """Whether a whole address stands below a site where anybody may keep something."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.path.strip("/") or parts.query)
        host = parts.hostname or ""
    except ValueError:
        return False
    return is_whole and any(host == one or host.endswith(f".{one}") for one in told()["hosted"])


def is_free_mail(entity: str) -> bool:
    """Whether it is a sender of a provider where anybody has an address."""
    return entity.startswith("sender:") and entity.rpartition("@")[2] in _FREE_MAIL


def is_free_provider(domain: str) -> bool:
    """Whether anybody has an address under a domain: it is no client's own."""
    return domain in _FREE_MAIL


def _listed(entity: str) -> str:
    reasons = _reasons()
    return next((reasons[one] for one in sorted(with_parents([entity])) if one in reasons), "")


def _is_reserved(value: str) -> bool:
    try:
        one = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return not one.is_global or one.is_multicast
