"""The hosts of a connection, as a technician writes them down, and as Ansible reads them."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from integrations.addresses import check_host
from integrations.errors import ConnectionMisconfigured, NotFound
from integrations.managed.computers import ring_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<other>[A-Za-z0-9._-]+))(?::(?P<port>\d+))?"
)
_PORT = 22


@dataclass(frozen=True, slots=True)
class Host:
    """One host: `name` is what people call it, and its id here."""

    name: str
    address: str
    port: int = _PORT
    ring: str = ""

    @property
    def known_as(self) -> str:
        """As OpenSSH's known_hosts names it."""
        if self.port == _PORT:
            return self.address
        return f"[{self.address}]:{self.port}"


def hosts_of(setting: str) -> tuple[Host, ...]:
    """The hosts of a setting: a line each, ``name address[:port] [ring:pilot]``, sorted by name.

    ConnectionMisconfigured names the line that can't be read.
    """
    found = [_host(line) for line in re.split(r"[;\n]", setting) if line.strip()]
    names = [host.name for host in found]
    if not found:
        raise ConnectionMisconfigured("hosts names none: write a line for each, name and address.")
    if len(set(names)) < len(names):
        raise ConnectionMisconfigured("hosts names one twice: each needs a name of its own.")
    return tuple(sorted(found, key=lambda host: host.name))


def _host(line: str) -> Host:
    words = line.split()
    match = _ADDRESS.fullmatch(words[1]) if len(words) > 1 else None
    if not match or not _NAME.fullmatch(words[0]):
        raise ConnectionMisconfigured(
            f"hosts: {line.strip()[:60]!r} is no host. Write its name and address, such as "
            "web-1 192.0.2.10, with :port where it isn't 22."
        )
    port = int(match["port"] or _PORT)
    if not 0 < port < 65536:
        raise ConnectionMisconfigured(f"hosts: {words[0]} has the port {port}, which can't be.")
    return Host(words[0], match["six"] or match["other"], port, ring_of(words[2:]))


def addresses_of(setting: str) -> list[str]:
    """The addresses of a setting's hosts, as they stand there; nothing of a line without one."""
    lines = (line.split() for line in re.split(r"[;\n]", setting))
    return [words[1] for words in lines if len(words) > 1]


def kept_addresses(setting: str) -> list[str]:
    """Addresses and networks that keep access to an isolated host; ConnectionMisconfigured."""
    found = []
    for word in re.split(r"[\s,;]+", setting.strip()):
        try:
            found += [str(ipaddress.ip_network(word, strict=False))] if word else []
        except ValueError:
            raise ConnectionMisconfigured(
                f"management_addresses: {word[:60]!r} is no IP address or network."
            ) from None
    return found


def one(hosts: Iterable[Host], name: str) -> Host:
    """The host of that name; NotFound where the connection has none."""
    for host in hosts:
        if host.name == name:
            return host
    raise NotFound(f"This connection has no host {name[:100]}; its setting hosts names them.")


def checked_address(host: Host, *, allow_private: bool) -> str:
    """The address to connect to, which is the one that was checked.

    ConnectionMisconfigured where it leads into our own network, Unavailable where it has none.
    """
    return str(check_host(host.address, host.port, allow_private=allow_private)[0])
