"""How each feed is read: a page at a time, from a durable cursor."""

from typing import Any

from integrations.connectors.ninjaone.client import NinjaoneClient, last_id
from integrations.connectors.ninjaone.normalise.computers import PATCHED
from integrations.refusals import Refused
from integrations.sweeps import Slice, listed
from integrations.values import Fields
from tenants.records import SourceRecord

# Each device is asked for its updates: so few are one page.
_DEVICES_A_PAGE = 10
_INSTALLED_DAYS = 30


def _devices(client: NinjaoneClient, token: str) -> Slice:
    found = client.devices(token)
    return Slice(_records("/v2/devices-detailed", found), last_id(found))


def _patches(client: NinjaoneClient, token: str) -> Slice:
    """Updates device by device: NinjaOne's report of all has a cursor that moves when it is read.

    A reader that was killed would miss a page there.
    """
    page = sorted(client.devices(token), key=lambda row: Fields(row).number("id") or 0)
    now = page[:_DEVICES_A_PAGE]
    found: list[dict[str, Any]] = []
    refused = Refused()
    for row in now:
        device = Fields(row)
        if device.text("nodeClass") in PATCHED:
            own_id = device.text("id")
            with refused.kept(own_id):
                # In a list of one device's updates NinjaOne need not name the device.
                found += ({**one, "deviceId": device.number("id")}
                          for one in client.patches(own_id, _INSTALLED_DAYS))  # fmt: skip
    records = _records("/v2/device/os-patches", tuple(found))
    return Slice(records, last_id(tuple(now)), refused.first, tuple(refused.unasked))


def _alerts(client: NinjaoneClient, token: str) -> Slice:
    """The alerts that stand: NinjaOne gives them at once."""
    found = client.rows("/v2/alerts", df=f"org={client.organization_id}")
    return Slice(_records("/v2/alerts", found), "")


def _records(path: str, found: tuple[dict[str, Any], ...]) -> tuple[SourceRecord, ...]:
    return tuple(SourceRecord(one, {"url": path}) for one in found)


devices = listed(_devices)
patches = listed(_patches)
alerts = listed(_alerts)
