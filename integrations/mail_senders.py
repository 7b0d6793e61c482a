"""Whether a sender is who it says, and whether it was made to look like another. Pure."""

import re

_VERDICT = re.compile(r"\b(dmarc|spf|dkim)=(\w+)", re.IGNORECASE)


def passes(results: str) -> bool:
    """Whether DMARC passed (RFC 8601); where nothing is said of it, SPF and DKIM both."""
    told = {name.lower(): verdict.lower() for name, verdict in _VERDICT.findall(results)}
    if "dmarc" in told:
        return told["dmarc"] == "pass"
    return told.get("spf") == "pass" and told.get("dkim") == "pass"


def is_like(domain: str, own: str) -> bool:
    """Whether a domain differs from an own one by one letter: changed, added or left out."""
    if domain == own or abs(len(domain) - len(own)) > 1 or not domain:
        return False
    shorter, longer = sorted((domain, own), key=len)
    at = next((i for i, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b),
              len(shorter))  # fmt: skip
    skip = 1 if len(shorter) == len(longer) else 0
    return shorter[at + skip :] == longer[at + 1 :]
