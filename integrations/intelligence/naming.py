"""By which names an indicator is looked for in what events and cases name. Pure."""

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import urlsplit

from integrations.intelligence.found import KINDS, NETWORK, NETWORKS, WIDEST

_LOOKED_FOR = tuple(f"{kind}:" for kind in sorted({*KINDS.values(), NETWORK}))


def with_parents(entities: Iterable[str]) -> set[str]:
    """Return what indicators may name of the entities, with what these stand below.

    That is the names above a name, the host of a URL, and the networks around an address: never
    more than a hundred a name. Accounts, devices and the like are left out: no indicator names
    them.
    """
    found: set[str] = set()
    for one in entities:
        if one.startswith(_LOOKED_FOR):
            found.add(one)
            found |= _above(one)
    return found


@lru_cache(maxsize=50_000)
def _above(one: str) -> frozenset[str]:
    kind, _, value = one.partition(":")
    if kind in ("ip", NETWORK):
        return frozenset(_networks(value))
    if kind == "sender":
        return frozenset(_names(value.rpartition("@")[2]))
    if kind == "url":
        host = host_of(value)
        networks = frozenset(_networks(host))
        return networks | {f"ip:{host}"} if networks else frozenset(_names(host))
    return frozenset(_names(value)) if kind == "domain" else frozenset()


def host_of(url: str) -> str:
    """Return the host of a URL; empty where it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _names(value: str) -> Iterator[str]:
    parts = value.split(".")
    return (f"domain:{'.'.join(parts[i:])}" for i in range(len(parts) - 1))


def _networks(value: str) -> Iterator[str]:
    """Yield the networks around an address or network, as indicators name them; none for a name."""
    first, _, within = value.partition("/")
    try:
        address = ipaddress.ip_address(first)
    except ValueError:
        return
    bits, number = address.max_prefixlen, int(address)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    for length in range(WIDEST[address.version], int(within) if within else bits):
        begin = number >> (bits - length) << (bits - length)
        yield f"{NETWORKS}{socket.inet_ntop(family, begin.to_bytes(bits // 8))}/{length}"
