"""What security products on computers tell of users, files and programs, in common words. Pure."""

import re

from integrations import ocsf

# Accounts of the operating system itself; no case is ever about them.
_SYSTEM_NAMES = frozenset(
    {"system", "local service", "network service", "localservice", "networkservice", "root",
     "local system", "localsystem", "n/a"}
)  # fmt: skip
_SYSTEM_SIDS = frozenset({"s-1-5-18", "s-1-5-19", "s-1-5-20", "s-1-0-0"})
_SYSTEM_DOMAINS = frozenset({"nt authority", "nt service", "window manager", "font driver host"})
_EMPTY_HASH = re.compile(r"0*")
# OCSF fingerprint's algorithm_id, by the number of hexadecimal digits.
_ALGORITHMS = {32: (1, "MD5"), 40: (2, "SHA-1"), 64: (3, "SHA-256")}


def account_name(user: str, domain: str = "", computer: str = "", sid: str = "") -> str:
    """The name by which an account is known beyond one computer; "" for the system's own.

    An address stays as it is; any other name goes with its domain, and one without a domain is
    known on its computer only: ``administrator`` of two computers is not the same account.
    """
    domain, _, name = user.rpartition("\\") if "\\" in user else (domain, "", user)
    lower, place = name.strip().lower(), domain.strip().lower()
    if not lower or lower.endswith("$") or lower in _SYSTEM_NAMES:
        return ""
    if sid.strip().lower() in _SYSTEM_SIDS or place in _SYSTEM_DOMAINS:
        return ""
    if "@" in name:
        return name.strip()
    owner = domain.strip() if place not in {"", ".", "workgroup"} else computer.strip()
    return f"{owner}\\{name.strip()}" if owner else name.strip()


def digest(*values: str) -> str:
    """The first of these that is the hash of a file, in lower case; "" where none is."""
    for value in values:
        found = value.strip().lower()
        is_hash = re.fullmatch(r"[0-9a-f]+", found) and len(found) in _ALGORITHMS
        if is_hash and not _EMPTY_HASH.fullmatch(found):
            return found
    return ""


def file(name: str, path: str = "", *hashes: str) -> ocsf.Object:
    """OCSF's file; `path` with the name or only its folder."""
    found = [one for one in (digest(value) for value in hashes) if one]
    return ocsf.filled(
        name=name,
        path=path,
        type_id=1 if name or path else None,
        hashes=[
            {
                "algorithm_id": _ALGORITHMS[len(one)][0],
                "algorithm": _ALGORITHMS[len(one)][1],
                "value": one,
            }
            for one in found
        ],
    )


def base_name(path: str) -> str:
    """The last part of a path of Windows or Unix."""
    return re.split(r"[\\/]", path.strip().rstrip("\\/"))[-1]


def attacks(found: tuple[str, ...]) -> list[ocsf.Object]:
    """OCSF's attacks of MITRE ATT&CK techniques."""
    return [ocsf.attack(technique) for technique in found]
