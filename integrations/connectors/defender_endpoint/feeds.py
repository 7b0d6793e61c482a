"""How each feed is read from Defender for Endpoint: a page at a time, from a durable cursor.

Sources: https://learn.microsoft.com/defender-endpoint/api/get-machines, …/get-alerts,
…/get-assessment-software-vulnerabilities, …/get-assessment-software-inventory.
"""

import datetime as dt
from typing import Any

from integrations.connectors.defender_endpoint.client import READ_MACHINES, DefenderClient
from integrations.microsoft.odata import address, literal
from integrations.sweeps import Fetch, Slice, listed, swept
from integrations.values import Fields
from tenants.records import SourceRecord

ALERTS = "Alert.Read.All"
VULNERABILITIES = "Vulnerability.Read.All"
SOFTWARE = "Software.Read.All"
_MACHINES_A_PAGE, _ALERTS_A_PAGE, _ROWS_A_PAGE = 500, 100, 2_000
# Changes are told for 14 days; a connection that slept longer reads all again.
_LONGEST_DELTA = dt.timedelta(days=13)
_ALL = "/machines/SoftwareVulnerabilitiesByMachine"
_CHANGES = "/machines/SoftwareVulnerabilityChangesByMachine"
_INVENTORY = "/machines/SoftwareInventoryByMachine"


def _machines(client: DefenderClient, token: str) -> Slice:
    return _page(client, "/machines", READ_MACHINES, token, _MACHINES_A_PAGE)


def _alerts(client: DefenderClient, since: dt.datetime | None, token: str) -> Slice:
    options: dict[str, str] = {"expand": "evidence"}
    if since is not None:
        options["filter"] = f"lastUpdateTime ge {literal(since)}"
    return _page(client, "/alerts", ALERTS, token, _ALERTS_A_PAGE, **options)


def _page(
    client: DefenderClient, path: str, permission: str, token: str, size: int, **options: str
) -> Slice:
    """One page, after those that were read: the token says how many.

    A link says that there are more although the page is not full; it leads to the rest of this
    page only, so that it is not followed.
    """
    skip = int(token or 0)
    bodies, link, _ = client.page(address(path, **options, top=size, skip=skip), permission)
    read = min(len(bodies), size)
    is_last = not link and read < size
    return Slice(_records(bodies, path), "" if is_last else str(skip + read))


def _vulnerabilities(client: DefenderClient, since: dt.datetime | None, token: str) -> Slice:
    """All at first, then what changed: new, updated and fixed."""
    is_recent = since is not None and dt.datetime.now(dt.UTC) - since < _LONGEST_DELTA
    path = _CHANGES if is_recent else _ALL
    start = f"{path}?pageSize={_ROWS_A_PAGE}"
    if since is not None and is_recent:
        start += f"&sinceTime={literal(since)}"
    bodies, link, _ = client.page(token or start, VULNERABILITIES)
    # A row without a CVE only says what is installed, which the software feed brings.
    return Slice(_records([row for row in bodies if row.get("cveId")], path), link)


def _software(client: DefenderClient, token: str) -> Slice:
    start = f"{_INVENTORY}?pageSize={_ROWS_A_PAGE}"
    bodies, link, _ = client.page(token or start, SOFTWARE)
    return Slice(_records(bodies, _INVENTORY), link)


def _records(bodies: list[dict[str, Any]], path: str) -> tuple[SourceRecord, ...]:
    return tuple(SourceRecord(body, {"url": f"/api{path}"}) for body in bodies)


def _updated(record: SourceRecord) -> dt.datetime | None:
    return Fields(record.body).time("lastUpdateTime")


def _told(record: SourceRecord) -> dt.datetime | None:
    return Fields(record.body).time("eventTimestamp", "lastSeenTimestamp")


machines: Fetch = listed(_machines)
alerts: Fetch = swept(_alerts, _updated, first_days=30, overlap=dt.timedelta(minutes=10))
vulnerabilities: Fetch = swept(
    _vulnerabilities, _told, first_days=None, overlap=dt.timedelta(hours=12)
)
software: Fetch = listed(_software)
