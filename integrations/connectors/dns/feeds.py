"""How the domains are read: one after the other, each as one record of what was asked and told.

The record holds answers only; what they mean is the normaliser's.
"""

from typing import Any, Final

from integrations.connectors.dns.client import DnsClient, Found
from integrations.connectors.dns.normalise.spf import includes
from integrations.sweeps import Slice, listed
from tenants.records import SourceRecord

# Of Microsoft 365, Google, and the common senders of mail.
_SELECTORS: Final = (
    "selector1", "selector2", "google", "default", "k1", "k2", "s1", "s2", "dkim", "mail",
)  # fmt: skip
# Names that companies let lead to others' services.
_HOSTS: Final = (
    "www", "mail", "webmail", "autodiscover", "remote", "vpn", "portal", "shop", "blog", "dev",
    "test", "staging", "status", "support", "help", "docs", "cdn", "app", "api",
)  # fmt: skip
# RFC 7208, section 4.6.4: ten look-ups; a few more show by how much a record goes over.
_MOST_INCLUDES: Final = 20


class _Asked:
    """What was asked so far, each once."""

    def __init__(self, client: DnsClient) -> None:
        self._client = client
        self.answers: dict[str, dict[str, Any]] = {}

    def ask(self, name: str, kind: str) -> Found:
        key = f"{name} {kind}"
        if key not in self.answers:
            found = self._client.ask(name, kind)
            self.answers[key] = {"status": found.status, "values": list(found.values)}
        told = self.answers[key]
        return Found(told["status"], tuple(told["values"]))


def _domains(client: DnsClient, token: str) -> Slice:
    place = int(token or 0)
    if place >= len(client.domains):
        return Slice((), "")
    domain = client.domains[place]
    following = str(place + 1) if place + 1 < len(client.domains) else ""
    return Slice((SourceRecord(_record(client, domain)),), following)


def _record(client: DnsClient, domain: str) -> dict[str, Any]:
    asked = _Asked(client)
    mail_hosts = asked.ask(domain, "MX").values
    for kind in ("NS", "TXT"):
        asked.ask(domain, kind)
    for parent in _parents(domain):
        asked.ask(f"_dmarc.{parent}", "TXT")
        asked.ask(parent, "CAA")
    selectors = tuple(dict.fromkeys((*_SELECTORS, *client.selectors)))
    for selector in selectors:
        asked.ask(f"{selector}._domainkey.{domain}", "TXT")
    asked.ask(f"_smtp._tls.{domain}", "TXT")
    sts = asked.ask(f"_mta-sts.{domain}", "TXT").values
    has_sts = any(value.lower().startswith("v=stsv1") for value in sts)
    _includes(asked, domain)
    for value in (*mail_hosts, *asked.ask(domain, "NS").values):
        _ask_address(asked, value.rpartition(" ")[2])
    hosts = (*(f"{host}.{domain}" for host in _HOSTS), *_below(client.names, domain))
    for host in dict.fromkeys(hosts):
        for target in asked.ask(host, "CNAME").values:
            _ask_address(asked, target)
    return {
        "domain": domain,
        "selectors": list(selectors),
        "answers": dict(sorted(asked.answers.items())),
        **({"mta_sts_policy": client.policy(domain)} if has_sts else {}),
    }


def _ask_address(asked: _Asked, host: str) -> None:
    """Whether a name leads to an address; the other kind only where the first finds none."""
    if host != "." and asked.ask(host, "A").status == "empty":
        asked.ask(host, "AAAA")


def _includes(asked: _Asked, domain: str) -> None:
    """The records that the domain's SPF record leads to."""
    waiting, seen = [domain], {domain}
    while waiting and len(seen) <= _MOST_INCLUDES:
        for record in asked.ask(waiting.pop(0), "TXT").values:
            fresh = [name for name in includes(record) if name not in seen]
            seen.update(fresh)
            waiting += fresh


def _parents(domain: str) -> list[str]:
    """The domain and those above it that are no top level, the nearest first."""
    labels = domain.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]


def _below(names: tuple[str, ...], domain: str) -> list[str]:
    return [name for name in names if name.endswith(f".{domain}")]


domains = listed(_domains)
