"""An on-demand scan of a host's system disk.

The scan's description carries a mark of the step, by which a repeated call finds it.
Source: https://www.falconpy.io/Service-Collections/ODS.html
"""

import datetime as dt
import hashlib
from dataclasses import dataclass

from integrations.connectors.crowdstrike.actions.containment import READ as HOSTS
from integrations.connectors.crowdstrike.actions.containment import read_host
from integrations.connectors.crowdstrike.client import FalconClient, quoted
from integrations.contract import Intention, Json, ReadBack
from integrations.values import Fields

READ, WRITE = "On-demand scans (ODS): Read", "On-demand scans (ODS): Write"
_SCANS = "/ods/entities/scans"
_SYSTEM_DISK = {"windows": "C:\\"}


@dataclass(frozen=True, slots=True)
class Scan:
    """Scan the disk that the system is on, and quarantine what is found."""

    name: str = "endpoint.scan"
    permissions: tuple[str, ...] = (WRITE, READ, HOSTS)

    def snapshot(self, client: FalconClient, intention: Intention) -> Json:
        """Nothing is to be restored."""
        return {}

    def call(self, client: FalconClient, intention: Intention) -> Json:
        """Begin the scan, unless this step has begun it already."""
        found = self._scan(client, intention)
        if found is not None:
            return {"scan_id": found.text("id")}
        host = read_host(client, intention.target.external_id)
        made = client.write(
            "POST", f"{_SCANS}/v1", WRITE,
            {
                "hosts": [intention.target.external_id],
                "description": _mark(intention),
                "file_paths": [_SYSTEM_DISK.get(host.word("platform_name"), "/")],
                "quarantine": True,
                "endpoint_notification": False,
            },
        )  # fmt: skip
        return {"scan_id": next((Fields(one).text("id") for one in made.items), "")}

    def read_back(self, client: FalconClient, intention: Intention) -> ReadBack:
        """Only a scan that came to its end has searched the computer."""
        found = self._scan(client, intention)
        if found is None:
            return ReadBack(False, {}, "CrowdStrike Falcon shows no such scan.")
        status, files = found.word("status"), found.nested("filecount")
        malicious = files.number("malicious")
        return ReadBack(
            holds=status == "completed",
            observed={"scan_id": found.text("id"), "status": status, "malicious": malicious},
            explanation=f"CrowdStrike Falcon shows the scan as {status or 'unknown'}"
            + (f"; harmful files found: {malicious}." if malicious is not None else "."),
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """A scan can't be undone."""
        return None

    def _scan(self, client: FalconClient, intention: Intention) -> Fields | None:
        mark = _mark(intention)
        found = client.get(
            "/ods/queries/scans/v1", READ, filter=f"description.keyword:{quoted(mark)}", limit=1
        )
        if not found.items:
            return None
        scans = client.get(f"{_SCANS}/v2", READ, ids=[str(found.items[0])])
        return next((Fields(one) for one in scans.items if isinstance(one, dict)), None)


def _mark(intention: Intention) -> str:
    since = intention.since.astimezone(dt.UTC).isoformat()
    step = hashlib.sha256(f"{intention.target.external_id} {since}".encode()).hexdigest()[:24]
    return f"Holdfast {step}"
