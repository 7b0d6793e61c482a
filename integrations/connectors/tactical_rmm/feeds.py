"""How each feed is read: a page at a time, from a durable cursor."""

from collections.abc import Iterable

from integrations.connectors.tactical_rmm.client import TacticalRmmClient
from integrations.refusals import Refused
from integrations.sweeps import Slice, listed
from integrations.values import Fields
from tenants.records import SourceRecord

# Each computer is asked for its updates: so few are one page.
_COMPUTERS_A_PAGE = 10


def _devices(client: TacticalRmmClient, token: str) -> Slice:
    """One site after another; the token is the last one's id."""
    left = [site for site in client.sites() if site > int(token or -1)]
    if not left:
        return Slice((), "")
    found = _records("/agents/", client.agents(left[0]))
    return Slice(found, str(left[0]) if left[1:] else "")


def _patches(client: TacticalRmmClient, token: str) -> Slice:
    """Some computers after the other; the token is the last one's id."""
    left = [own_id for own_id in client.agent_ids() if own_id > token]
    now, later = left[:_COMPUTERS_A_PAGE], left[_COMPUTERS_A_PAGE:]
    found: list[SourceRecord] = []
    refused = Refused()
    for own_id in now:
        with refused.kept(own_id):
            found += _records("/winupdate/", client.patches(own_id), agent_id=own_id)
    return Slice(tuple(found), now[-1] if later else "", refused.first, tuple(refused.unasked))


def _alerts(client: TacticalRmmClient, token: str) -> Slice:
    return Slice(_records("/alerts/", client.alerts()), "")


def _records(path: str, found: Iterable[Fields], **context: str) -> tuple[SourceRecord, ...]:
    return tuple(SourceRecord(one.body, {"url": path, **context}) for one in found)


devices = listed(_devices)
patches = listed(_patches)
alerts = listed(_alerts)
