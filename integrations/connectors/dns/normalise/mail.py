"""DMARC (RFC 7489), DKIM keys (RFC 6376), mail servers, MTA-STS (RFC 8461) and TLS reports."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from integrations.connectors.dns.normalise.spf import Texts

_POLICIES: Final = ("none", "quarantine", "reject")
_LEAST_KEY_BITS: Final = 1024
_GOOD_KEY_BITS: Final = 2048
_ED25519_BYTES: Final = 32
_LEAST_AGE: Final = 86_400


def tags(text: str) -> dict[str, str]:
    """The tags of a record such as ``v=DMARC1; p=none``, by name in lower case."""
    parts = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in parts}


def _of_version(texts: Sequence[str], version: str) -> list[dict[str, str]]:
    found = (tags(text) for text in texts if text.lower().startswith(f"v={version.lower()}"))
    return [one for one in found if one.get("v", "").lower() == version.lower()]


def dmarc(parents: Sequence[str], texts: Texts) -> dict[str, Any]:
    """The policy of the domain, or of the nearest domain above it."""
    for place, parent in enumerate(parents):
        records = _of_version(texts(f"_dmarc.{parent}"), "DMARC1")
        if records:
            return _dmarc(records, parent, is_inherited=place > 0)
    return {"is_present": False, "problems": ["missing"]}


def _dmarc(records: Sequence[dict[str, str]], of: str, *, is_inherited: bool) -> dict[str, Any]:
    told = records[0]
    policy = told.get("p", "").lower()
    for_below = told.get("sp", "").lower() or policy
    counts = for_below if is_inherited else policy
    percent = int(told["pct"]) if told.get("pct", "").isdecimal() else 100
    problems = {
        "several_records": len(records) > 1,
        "no_policy": counts not in _POLICIES,
        "only_watches": counts == "none",
        "not_for_all_mail": counts in _POLICIES[1:] and percent < 100,
        "subdomains_open": not is_inherited and policy != "none" and for_below == "none",
        "no_reports": not told.get("rua"),
    }
    return {
        "is_present": True,
        "policy": counts,
        "subdomain_policy": for_below,
        "percent": percent,
        "reports_to": [one.strip() for one in told.get("rua", "").split(",") if one.strip()],
        "inherited_from": of if is_inherited else "",
        "problems": [name for name, holds in problems.items() if holds],
    }


def dkim(domain: str, selectors: Sequence[str], texts: Texts) -> dict[str, Any]:
    """The keys at the selectors that were asked for; others may exist."""
    keys = []
    for selector in selectors:
        for text in texts(f"{selector}._domainkey.{domain}"):
            told = tags(text)
            if "p" in told and told.get("v", "DKIM1").upper() == "DKIM1":
                keys.append({"selector": selector, **_key(told)})
    usable = [key for key in keys if not key["is_revoked"] and key["bits"]]
    rsa_keys = [key for key in usable if key["type"] == "rsa"]
    problems = {
        "missing": not keys,
        "all_revoked": bool(keys) and all(key["is_revoked"] for key in keys),
        "weak_key": any(key["bits"] < _LEAST_KEY_BITS for key in rsa_keys),
        "short_key": any(_LEAST_KEY_BITS <= key["bits"] < _GOOD_KEY_BITS for key in rsa_keys),
        "unreadable_key": any(not key["is_revoked"] and not key["bits"] for key in keys),
        "only_tests": bool(usable) and all(key["is_test"] for key in usable),
    }  # fmt: skip
    return {
        "is_present": bool(usable),
        "keys": keys,
        "problems": [name for name, holds in problems.items() if holds],
    }


def _key(told: Mapping[str, str]) -> dict[str, Any]:
    """A public key; `bits` is 0 where there is none that can be read."""
    kind = told.get("k", "rsa").lower()
    text = re.sub(r"\s+", "", told.get("p", ""))
    return {
        "type": kind,
        "bits": _bits(kind, text),
        "is_revoked": not text,
        "is_test": "y" in told.get("t", "").lower().split(":"),
    }


def _bits(kind: str, text: str) -> int:
    try:
        content = base64.b64decode(text, validate=True)
        if kind == "ed25519":
            raw = content if len(content) == _ED25519_BYTES else b""
            return 256 if raw and ed25519.Ed25519PublicKey.from_public_bytes(raw) else 0
        key = load_der_public_key(content)
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return 0
    return key.key_size if isinstance(key, rsa.RSAPublicKey) else 0


def mx(domain: str, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The servers that take the domain's mail, and whether they lead anywhere."""
    told = answers.get(f"{domain} MX", {})
    hosts = []
    for value in told.get("values", []):
        preference, _, host = str(value).partition(" ")
        hosts.append(
            {"preference": int(preference), "host": host, "resolves": leads(host, answers)}
        )
    takes_none = [host["host"] for host in hosts] == ["."]
    problems = {
        "missing": not hosts,
        "host_without_address": not takes_none and any(h["resolves"] is False for h in hosts),
    }
    return {
        "is_present": bool(hosts),
        "takes_no_mail": takes_none,
        "hosts": sorted(hosts, key=lambda host: (host["preference"], host["host"])),
        "problems": [name for name, holds in problems.items() if holds],
    }


def leads(host: str, answers: Mapping[str, Any]) -> bool | None:
    """Whether a name leads to an address; None where its name servers didn't say."""
    found = [answers[f"{host} {kind}"]["status"] for kind in ("A", "AAAA")
             if f"{host} {kind}" in answers]  # fmt: skip
    if not found or "failed" in found:
        return None
    return "found" in found


def mta_sts(
    domain: str, texts: Texts, policy: Sequence[str] | None, hosts: Sequence[str]
) -> dict[str, Any]:
    """Whether senders must encrypt, and to which servers; `hosts` are those that take mail."""
    records = _of_version(texts(f"_mta-sts.{domain}"), "STSv1")
    if not records:
        return {"is_present": False, "problems": ["missing"]}
    pairs = [(name.strip().lower(), value.strip()) for name, _, value in
             (line.partition(":") for line in policy or ())]  # fmt: skip
    told = dict(pairs)
    patterns = [value.lower() for name, value in pairs if name == "mx"]
    mode, age = told.get("mode", "").lower(), told.get("max_age", "")
    has_policy = told.get("version", "").lower() == "stsv1"
    problems = {
        "several_records": len(records) > 1,
        "no_policy": not has_policy,
        "not_enforced": has_policy and mode != "enforce",
        "host_not_covered": has_policy
        and any(not any(_covers(pattern, host) for pattern in patterns) for host in hosts),
        "short_age": has_policy and (not age.isdecimal() or int(age) < _LEAST_AGE),
    }
    return {
        "is_present": True,
        "id": records[0].get("id", ""),
        "mode": mode,
        "max_age_seconds": int(age) if age.isdecimal() else None,
        "mx": patterns,
        "problems": [name for name, holds in problems.items() if holds],
    }


def _covers(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return host == pattern


def tls_reports(domain: str, texts: Texts) -> dict[str, Any]:
    """To whom senders report that they could not encrypt (RFC 8460)."""
    records = _of_version(texts(f"_smtp._tls.{domain}"), "TLSRPTv1")
    if not records:
        return {"is_present": False, "problems": ["missing"]}
    return {"is_present": True, "reports_to": records[0].get("rua", ""), "problems": []}
