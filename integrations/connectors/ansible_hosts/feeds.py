"""How each feed is read: some hosts at a time, in the order of their names.

The token is the last host's name, so that a host more or less never moves a page. A host that
doesn't answer is told as such; only where none can be asked does a feed fail.
"""

from typing import Any

from integrations.connectors.ansible_hosts.client import AnsibleHostsClient
from integrations.connectors.ansible_hosts.inventory import Host
from integrations.connectors.ansible_hosts.normalise.updates import rows_of
from integrations.connectors.ansible_hosts.runner import Outcome
from integrations.errors import Unavailable
from integrations.sweeps import Slice, listed
from integrations.values import Fields
from tenants.records import SourceRecord


def _next(client: AnsibleHostsClient, token: str) -> tuple[tuple[Host, ...], str]:
    left = tuple(host for host in client.hosts if host.name > token)
    now = left[: client.at_once]
    return now, now[-1].name if len(left) > len(now) else ""


def _hosts(client: AnsibleHostsClient, token: str) -> Slice:
    now, following = _next(client, token)
    told = client.ask("look.yml", now, detail=True)
    _refuse_what_needs_a_person(told)
    return Slice(tuple(_record(_host(told, host)) for host in now), following)


def _host(told: Outcome, host: Host) -> dict[str, Any]:
    body: dict[str, Any] = {"host": host.name, "ring": host.ring}
    if host.name in told.failures:
        return body | {"is_reachable": False, "error": str(told.failures[host.name])}
    return body | {"is_reachable": True, **told.reports[host.name]}


def _updates(client: AnsibleHostsClient, token: str) -> Slice:
    now, following = _next(client, token)
    told = client.ask("look.yml", now, updates=True)
    _refuse_what_needs_a_person(told)
    found = [
        _record({"host": host.name, **row})
        for host in now
        for row in rows_of(Fields(told.reports.get(host.name, {})))
    ]
    return Slice(tuple(found), following)


def _refuse_what_needs_a_person(told: Outcome) -> None:
    """A host may be off; a key that is refused must show at the connection."""
    for error in told.failures.values():
        if not isinstance(error, Unavailable):
            raise error
    if told.failures and not told.reports:
        raise next(iter(told.failures.values()))


def _record(body: dict[str, Any]) -> SourceRecord:
    return SourceRecord(body, {"url": "look.yml"})


hosts = listed(_hosts)
updates = listed(_updates)
