"""DNS under the conformance suite: a real name server, with some domains good and some bad."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from integrations.connectors.dns.client import DnsClient
from integrations.connectors.dns.manifest import MANIFEST
from integrations.contract import Client, Json
from integrations.transport import Limits
from tests.integrations.conformance.subject import QUICK, Subject, Vendor
from tests.integrations.dns.server import KNOT, WHY_NOT, Relay, knot
from tests.servers.once import once

DOMAINS = ("good.test", "open.test", "parked.test", "below.good.test")


def key(bits: int) -> str:
    """A new public key as DKIM writes it."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    content = made.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(content).decode()


def _txt(text: str) -> str:
    """A TXT record's text in pieces of at most 255 bytes."""
    return " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))


def zones() -> dict[str, str]:
    """What the name server holds."""
    return {
        "good.test": f"""
good.test. MX 10 mx1.good.test.
good.test. MX 20 mx2.good.test.
mx1.good.test. A 192.0.2.10
mx2.good.test. AAAA 2001:db8::10
good.test. TXT "v=spf1 include:_spf.mailer.test mx -all"
good.test. TXT "unrelated"
_dmarc.good.test. TXT "v=DMARC1; p=reject; sp=quarantine; rua=mailto:dmarc@good.test"
selector1._domainkey.good.test. TXT {_txt("v=DKIM1; k=rsa; p=" + key(2048))}
custom._domainkey.good.test. CNAME key.mailer.test.
_mta-sts.good.test. TXT "v=STSv1; id=20260101"
_smtp._tls.good.test. TXT "v=TLSRPTv1; rua=mailto:tls@good.test"
good.test. CAA 0 issue "letsencrypt.org"
good.test. CAA 0 iodef "mailto:caa@good.test"
www.good.test. CNAME good.cloud.test.
below.good.test. A 192.0.2.11
""",
        "mailer.test": f"""
_spf.mailer.test. TXT "v=spf1 ip4:192.0.2.0/24 ~all"
key.mailer.test. TXT {_txt("v=DKIM1; k=rsa; p=" + key(1024))}
""",
        "cloud.test": "good.cloud.test. A 192.0.2.80\n",
        "open.test": """
open.test. MX 10 mx.gone.test.
open.test. TXT "v=spf1 +all"
open.test. TXT "v=spf1 ptr include:nothing.test ?all"
_dmarc.open.test. TXT "v=DMARC1; p=none"
s1._domainkey.open.test. TXT "v=DKIM1; p="
shop.open.test. CNAME deleted.cloud.test.
events.open.test. CNAME gone-too.cloud.test.
""",
        "parked.test": """
parked.test. MX 0 .
parked.test. TXT "v=spf1 -all"
_dmarc.parked.test. TXT "v=DMARC1; p=reject; pct=50"
""",
    }


@contextmanager
def _name_server() -> Iterator[int]:
    """The server behind the relays, which nothing changes; its port."""
    with tempfile.TemporaryDirectory(prefix="knot-") as folder, knot(Path(folder), zones()) as port:
        yield port


class NameServer(Vendor):
    """The name server, and a relay before it."""

    def __init__(self, relay: Relay) -> None:
        self.manifest = MANIFEST
        self.relay = relay
        self.settings = {
            "domains": ", ".join(DOMAINS), "selectors": "custom", "names": "events.open.test",
            "resolver": f"127.0.0.1:{relay.port}",
        }  # fmt: skip
        self.secrets: dict[str, str] = {}

    def connect(
        self, limits: Limits = QUICK, *, allow_private: bool = True, **changed: str
    ) -> Client:
        """A client that soon misses an answer: one that is lost here never comes.

        It finds no web server: there is none, and to look for one on the internet takes seconds.
        """
        hasty = replace(limits, read=min(limits.read, 1.0))
        client = super().connect(hasty, allow_private=allow_private, **changed)
        assert isinstance(client, DnsClient)
        client.policy = lambda domain: []
        return client

    def fault(self, kind: str, **options: Any) -> None:
        """Switch it on."""
        self.relay.faults.add(kind=kind, **options)

    def clear_faults(self) -> None:
        """Switch all off."""
        self.relay.faults.remove()

    def grant(self, permissions: Sequence[str]) -> None:
        """Answer, or refuse every question."""
        self.relay.is_open = bool(permissions)

    def requests(self, method: str = "", path: str = "") -> list[Json]:
        """The questions that came."""
        return [one for one in list(self.relay.requests) if re.search(path, one["path"])]

    def credentials(self) -> set[str]:
        """There are none."""
        return set()


_PUBLIC = "Public records need no credentials and no permission."
_NONE = "DNS has nothing of the kind."
_ASKING = "tests/integrations/dns/test_asking.py"


class DnsSubject(Subject):
    """Four domains, one on each page."""

    manifest = MANIFEST
    feed = "domains"
    pages = "^MX "
    endpoints = ("resolver",)
    real_server = "Knot DNS"
    left_out = {
        "deletion": "Domains are the connection's own settings, and asking for each takes a while; "
        "one that goes is tried in tests/integrations/test_listings.py.",
        "throttling": "A name server has no way to ask for a pause; silence is tried instead.",
        "token_expiry": _PUBLIC,
        "permissions": _PUBLIC,
        "secrets": _PUBLIC,
        "refusals": "A name server refuses in one way only, which the canary is tried with.",
        "server_errors": "A domain whose own name servers fail is told as such and holds up no "
        "other: tests/integrations/dns/test_asking.py.",
        "slow_bodies": "An answer is one datagram, or one message by TCP.",
        "duplicates": "A page is one domain: there is no list that could repeat itself.",
        "redirects": _NONE,
        "actions": "Nothing is changed: the domain's owner does that at the registrar.",
        "late_effects": "Nothing is changed, so no effect can be late.",
        "contract": "The RFCs are no machine-readable contract; a real name server is asked.",
    }
    excused = {
        "deletion": "tests/integrations/test_listings.py::test_a_domain_goes_with_the_setting",
        "throttling": "the protocol has no such answer",
        **dict.fromkeys(("token_expiry", "permissions", "secrets"), "no credentials"),
        "refusals": f"{_ASKING}::test_a_refusing_name_server_needs_a_person",
        "server_errors": f"{_ASKING}::test_a_domain_whose_name_servers_fail_holds_up_no_other",
        "slow_bodies": f"{_ASKING}::test_a_silent_name_server_is_told_and_asked_again_later",
        "duplicates": "a list comes whole",
        "redirects": "the protocol has no such answer",
        **dict.fromkeys(("actions", "late_effects"), "nothing is changed"),
        "contract": "the real server is the contract",
    }

    def not_tried_here(self) -> str:
        """Why Knot can't be started on this machine."""
        return "" if KNOT else WHY_NOT

    @contextmanager
    def running(self, folder: Path) -> Iterator[NameServer]:
        """The name server, with one connection's settings."""
        if not KNOT:
            pytest.skip(WHY_NOT)
        with Relay(once(_name_server)) as relay:
            yield NameServer(relay)

    def address(self, setting: str, host: str) -> str:
        """A resolver is a host, not a web address."""
        return host


SUBJECT = DnsSubject()
