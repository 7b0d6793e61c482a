"""Asks a name server, and for the policy of MTA-STS the domain's web server.

A name that fails at its own name servers (SERVFAIL) is an answer, since nobody but the domain's
owner can mend it; only a resolver that can't be reached or talks nonsense is an error of ours.
"""

import ipaddress
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver

from integrations.addresses import check_host, private_endpoints_allowed
from integrations.errors import ConnectionMisconfigured, Rejected, Unavailable, VendorError
from integrations.transport import Call, Limits, Transport

Status = Literal["found", "empty", "no_name", "failed"]
_PORT: Final = 53
# One attempt: a resolver that answers later has lost the question.
_ATTEMPT_SECONDS: Final = 4.0
_POLICY_LINES: Final = 64
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_MOST_DOMAINS: Final = 200
_MOST_ALIASES: Final = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What a name server said of a name and type; `values` are sorted texts.

    ``empty``: the name exists without such records; ``no_name``: it doesn't exist; ``failed``: its
    own name servers don't answer.
    """

    status: Status
    values: tuple[str, ...] = ()


class DnsClient:
    """One resolver, for one client's domains. Methods raise `integrations.errors`."""

    def __init__(
        self,
        *,
        domains: tuple[str, ...],
        names: tuple[str, ...],
        selectors: tuple[str, ...],
        server: Callable[[], tuple[str, int]],
        limits: Limits,
        policy: Callable[[str], list[str]],
        close: Callable[[], None],
    ) -> None:
        self.domains, self.names, self.selectors = domains, names, selectors
        self._server, self._limits, self._close = server, limits, close
        self.policy = policy

    def __repr__(self) -> str:
        return f"<DnsClient of {', '.join(self.domains)}>"

    def close(self) -> None:
        """Give back the sockets."""
        self._close()

    def ask(self, name: str, kind: str, *, aliases: int = 0) -> Found:
        """Ask for the records of a name; aliases are followed."""
        try:
            query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
        except dns.exception.DNSException:
            return Found("no_name")
        answer = self._answered(query, f"{kind} {name}")
        code = answer.rcode()
        if code == dns.rcode.NXDOMAIN:
            return Found("no_name")
        if code == dns.rcode.SERVFAIL:
            return Found("failed")
        if code != dns.rcode.NOERROR:
            raise Rejected(
                f"{kind} {name}: the name server refuses to answer ({dns.rcode.to_text(code)}). "
                "Enter one that answers this installation."
            )
        values = sorted(_values(answer, kind))
        if values:
            return Found("found", tuple(values))
        alias = _values(answer, "CNAME")
        if alias and kind != "CNAME" and aliases < _MOST_ALIASES:
            # Most resolvers follow it themselves.
            return self.ask(alias[-1], kind, aliases=aliases + 1)
        return Found("empty")

    def _answered(self, query: dns.message.QueryMessage, what: str) -> dns.message.Message:
        """The answer; SERVFAIL and silence are asked again, with jitter."""
        deadline = time.monotonic() + self._limits.total
        attempt = 0
        while True:
            problem, answer = self._once(query)
            if answer is not None and answer.rcode() != dns.rcode.SERVFAIL:
                return answer
            attempt += 1
            if attempt > self._limits.repeats or time.monotonic() > deadline:
                break
            time.sleep(random.uniform(0.02, 0.1) * attempt)  # noqa: S311
        if answer is not None:
            return answer
        raise Unavailable(f"{what}: the name server {problem}. It is asked again later.")

    def _once(self, query: dns.message.QueryMessage) -> tuple[str, dns.message.Message | None]:
        address, port = self._server()
        timeout = min(self._limits.read, self._limits.total, _ATTEMPT_SECONDS)
        try:
            answer, _ = dns.query.udp_with_fallback(query, address, timeout, port)
        except dns.exception.Timeout:
            return "does not answer", None
        except (dns.exception.DNSException, OSError) as error:
            return f"answers with nonsense ({type(error).__name__})", None
        return "", answer


def _values(answer: dns.message.Message, kind: str) -> list[str]:
    """The records of a type."""
    wanted = dns.rdatatype.from_text(kind)
    found: list[str] = []
    for rrset in answer.answer:
        if rrset.rdtype == wanted:
            found += [_text(rdata, kind) for rdata in rrset]
    return found


def _text(rdata: Any, kind: str) -> str:
    """A record as text: the parts of a TXT record are one text, names end without a dot."""
    if kind == "TXT":
        return b"".join(rdata.strings).decode("utf-8", "replace")
    if kind == "MX":
        return f"{rdata.preference} {_host(rdata.exchange)}"
    if kind in ("CNAME", "NS"):
        return _host(rdata.target)
    if kind == "CAA":
        tag, value = rdata.tag.decode("ascii", "replace"), rdata.value.decode("utf-8", "replace")
        return f"{rdata.flags} {tag} {value}"
    return str(rdata.to_text())


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() or "."


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> DnsClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    domains = _names(settings.get("domains", ""), "domains")
    if not domains or len(domains) > _MOST_DOMAINS:
        raise ConnectionMisconfigured(f"domains: enter 1 to {_MOST_DOMAINS} domains.")
    server = _server(settings.get("resolver", "").strip(), allow_private=private)
    server()
    transport = Transport(allow_private=private, limits=limits)
    return DnsClient(
        domains=domains,
        names=_names(settings.get("names", ""), "names"),
        selectors=tuple(
            label for label in re.split(r"[\s,]+", settings.get("selectors", "").lower()) if label
        ),
        server=server,
        limits=limits or Limits(),
        policy=lambda domain: policy_of(transport, domain),
        close=transport.close,
    )


def domains_of(setting: str) -> list[str]:
    """The names that a setting holds, as they stand there."""
    return [name for name in re.split(r"[\s,;]+", setting) if name]


def _names(text: str, setting: str) -> tuple[str, ...]:
    """Names in the letters that DNS uses, each once, in order."""
    return tuple(dict.fromkeys(_ascii(name, setting) for name in domains_of(text)))


def _ascii(name: str, setting: str) -> str:
    try:
        told = dns.name.from_text(name, idna_codec=dns.name.IDNA_2003)
        text = told.to_text(omit_final_dot=True).lower()
    except dns.exception.DNSException:
        text = ""
    if "." not in text or not all(map(_LABEL.fullmatch, text.split("."))):
        raise ConnectionMisconfigured(f"{setting}: {name[:80]!r} is no domain, such as acme.com.")
    return text


def _server(text: str, *, allow_private: bool) -> Callable[[], tuple[str, int]]:
    """What gives the address to ask: of the setting, checked each time, or of this machine."""
    if not text:
        return _own_server
    host, port = _host_and_port(text)

    def checked() -> tuple[str, int]:
        return str(check_host(host, port, allow_private=allow_private)[0]), port

    return checked


def _own_server() -> tuple[str, int]:
    """The machine's own resolver, which whoever installed it has chosen."""
    try:
        own = dns.resolver.get_default_resolver()
        return str(own.nameservers[0]), own.port
    except (dns.exception.DNSException, IndexError):
        raise ConnectionMisconfigured(
            "This machine has no name server of its own: enter one as resolver."
        ) from None


def _host_and_port(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.\-]+))(?::(\d{1,5}))?", text)
    if found:
        return found[1] or found[2], int(found[3] or _PORT)
    try:
        return str(ipaddress.ip_address(text)), _PORT
    except ValueError:
        raise ConnectionMisconfigured(
            "resolver: an address, with its port if need be, such as 9.9.9.9 or 10.0.0.1:5353."
        ) from None


def policy_of(transport: Transport, domain: str) -> list[str]:
    """The lines of a domain's policy of MTA-STS (RFC 8461, section 3.3); none where there is none.

    What can't be fetched now is no reason to lose the rest: the sender of mail sees the same.
    """
    call = Call("GET", f"https://mta-sts.{domain}/.well-known/mta-sts.txt")
    try:
        found = transport.lines(call, most=_POLICY_LINES, idle=2.0)
    except (VendorError, ConnectionMisconfigured):
        return []
    return [line.decode("utf-8", "replace").strip()[:500] for line in found]


def canary(client: DnsClient) -> str:
    """Ask for one of the client's domains; say in a sentence what was seen."""
    domain = client.domains[0]
    found = client.ask(domain, "NS")
    if found.status != "found":
        raise Rejected(
            f"The name server knows no domain {domain}: check how it is written, and whether it "
            "still belongs to the client."
        )
    return f"The name server answers for {domain}, one of {len(client.domains)} domains."
