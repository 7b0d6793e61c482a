"""How each feed is read: some hosts at a time, in the order of their names.

The token is the last host's name, so that a host more or less never moves a page. A host that
doesn't answer is told as such; one that refuses us, and a page of which none answers, are told when
the sweep is through.
"""

from typing import Any

from integrations.connectors.ansible_hosts.asking import Outcome
from integrations.connectors.ansible_hosts.client import AnsibleHostsClient
from integrations.connectors.ansible_hosts.inventory import Host
from integrations.connectors.ansible_hosts.normalise.updates import rows_of
from integrations.errors import Unavailable, VendorError
from integrations.sweeps import Slice, listed
from integrations.values import Fields
from tenants.records import SourceRecord


def _next(client: AnsibleHostsClient, token: str) -> tuple[tuple[Host, ...], str]:
    left = tuple(host for host in client.hosts if host.name > token)
    now = left[: client.at_once]
    return now, now[-1].name if len(left) > len(now) else ""


def _hosts(client: AnsibleHostsClient, token: str) -> Slice:
    now, following = _next(client, token)
    told = client.look(now, detail=True)
    return Slice(tuple(_record(_host(told, host)) for host in now), following, _refused(told))


def _host(told: Outcome, host: Host) -> dict[str, Any]:
    body: dict[str, Any] = {"host": host.name, "ring": host.ring}
    if host.name in told.failures:
        return body | {"is_reachable": False, "error": str(told.failures[host.name])}
    return body | {"is_reachable": True, **told.reports[host.name]}


def _updates(client: AnsibleHostsClient, token: str) -> Slice:
    now, following = _next(client, token)
    told = client.look(now, updates=True)
    found = [
        _record({"host": host.name, **row})
        for host in now
        for row in rows_of(Fields(told.reports.get(host.name, {})))
    ]
    return Slice(tuple(found), following, _refused(told), tuple(told.failures))


def _refused(told: Outcome) -> VendorError | None:
    """What needs a person: a host may be off, but a key that is refused must show."""
    failures = told.failures.values()
    lasting = next((error for error in failures if not isinstance(error, Unavailable)), None)
    return lasting or (None if told.reports else next(iter(failures), None))


def _record(body: dict[str, Any]) -> SourceRecord:
    return SourceRecord(body, {"url": "ssh"})


hosts = listed(_hosts)
updates = listed(_updates)
