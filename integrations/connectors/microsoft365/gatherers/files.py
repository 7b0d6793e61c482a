"""Files that somebody took or shared, by Defender for Cloud Apps.

Sources: https://learn.microsoft.com/graph/api/security-security-runhuntingquery,
https://learn.microsoft.com/defender-xdr/advanced-hunting-cloudappevents-table,
https://learn.microsoft.com/purview/audit-log-activities (the names of activities).
"""

import datetime as dt
from dataclasses import dataclass

from integrations import bursts
from integrations.connectors.microsoft365.client import GraphClient
from integrations.contract import Json, Target
from integrations.microsoft.odata import literal
from integrations.values import Fields

_HUNTING = "ThreatHunting.Read.All"
_DOWNLOADS = ("FileDownloaded", "FileSyncDownloadedFull")
# To people outside: by a link that anybody may follow, or by an invitation.
_SHARES = ("AnonymousLinkCreated", "SharingInvitationCreated")
# Hunting looks back 30 days: so much of it comes before what is asked about.
_DAYS = 30
_LONGEST = dt.timedelta(days=14)
_FEW = 10


@dataclass(frozen=True, slots=True)
class ListFileActivity:
    """Files that the account downloaded and shared, in OneDrive and SharePoint."""

    name: str = "files.list_activity"
    permissions: tuple[str, ...] = (_HUNTING,)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return the downloads of the busiest `hours` (48) since ``inputs.since``, and all shares.

        Without ``since``, of the last `hours`. The baseline is what as many hours usually bring,
        by the weeks before. Unusual: at least ten downloads, and five times the baseline.
        """
        asked = bursts.asked(inputs, 48, _LONGEST)
        first = asked.now - dt.timedelta(days=_DAYS)
        rows = client.hunt(_query(target.external_id, first, asked.since), f"P{_DAYS}D", _HUNTING)
        told = [(row.time("Hour") or first, row) for row in map(Fields, rows)]
        # Times in the query are in whole seconds.
        since = asked.since.replace(microsecond=0)
        late = [(time, row) for time, row in told if time >= since]
        before = sum(_number(row, "Downloads") for time, row in told if time < since)
        most = bursts.most(((time, _number(row, "Downloads")) for time, row in late), asked.span)
        usual = asked.usual(before, asked.since - first)
        return {
            "downloads": most,
            "shared_outside": sum(_number(row, "Shares") for _, row in late),
            "baseline_downloads": usual,
            "is_unusual": bursts.is_unusual(most, usual, least=_FEW),
        }


def _query(user_id: str, first: dt.datetime, since: dt.datetime) -> str:
    downloads, shares = (", ".join(f'"{n}"' for n in names) for names in (_DOWNLOADS, _SHARES))
    literal_id = user_id.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f"CloudAppEvents | where Timestamp >= datetime({literal(first)}) "
        f'| where AccountObjectId == "{literal_id}" '
        f"| summarize Downloads = countif(ActionType in ({downloads})), "
        f"Shares = countif(ActionType in ({shares})) "
        f"by Hour = bin_at(Timestamp, 1h, datetime({literal(since)}))"
    )


def _number(row: Fields, name: str) -> int:
    return int(row.number(name) or 0)
