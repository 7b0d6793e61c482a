"""By which names an indicator is looked for in what events and cases name. Pure."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from integrations.intelligence.found import KINDS

_LOOKED_FOR = tuple(f"{kind}:" for kind in sorted(set(KINDS.values())))


def with_parents(entities: Iterable[str]) -> set[str]:
    """Return what indicators may name of the entities, with what these stand below.

    That is the names above a name, and the host of a URL. Accounts, devices and the like are left
    out: no indicator names them.
    """
    found: set[str] = set()
    for one in entities:
        if not one.startswith(_LOOKED_FOR):
            continue
        found.add(one)
        kind, _, value = one.partition(":")
        name = {
            "domain": value,
            "sender": value.rpartition("@")[2],
            "url": _host(value) if kind == "url" else "",
        }.get(kind, "")
        if kind == "url" and name.replace(".", "").isdigit():
            found.add(f"ip:{name}")
            continue
        parts = name.split(".")
        found |= {f"domain:{'.'.join(parts[i:])}" for i in range(len(parts) - 1)}
    return found


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
