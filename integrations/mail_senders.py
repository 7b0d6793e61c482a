"""Whether mail comes from whom it says. Pure.

Source: RFC 8601 (Authentication-Results), RFC 7489 (DMARC).
"""

import re
from collections.abc import Iterable

_VERDICT = re.compile(r"\b(dmarc|spf|dkim)=(\w+)", re.IGNORECASE)


def verdicts(results: str) -> dict[str, str]:
    """Return what a server found out by ``dmarc``, ``spf`` and ``dkim``, in lower case."""
    return {name.lower(): verdict.lower() for name, verdict in _VERDICT.findall(results)}


def passes_authentication(results: str) -> bool:
    """Whether DMARC passed; where nothing is said of it, SPF and DKIM both."""
    told = verdicts(results)
    if "dmarc" in told:
        return told["dmarc"] == "pass"
    return told.get("spf") == "pass" and told.get("dkim") == "pass"


def is_lookalike(domain: str, own: Iterable[str]) -> bool:
    """Whether a domain differs from an own one by one letter: changed, added or left out."""
    domains = frozenset(own)
    return domain not in domains and any(_differs_by_one(domain, one) for one in domains)


def _differs_by_one(domain: str, own: str) -> bool:
    if domain == own or abs(len(domain) - len(own)) > 1 or not domain:
        return False
    shorter, longer = sorted((domain, own), key=len)
    pairs = zip(shorter, longer, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), len(shorter))
    skip = 1 if len(shorter) == len(longer) else 0
    return shorter[at + skip :] == longer[at + 1 :]
