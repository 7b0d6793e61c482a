"""Files that somebody took or shared, by Defender for Cloud Apps.

Sources: https://learn.microsoft.com/graph/api/security-security-runhuntingquery,
https://learn.microsoft.com/defender-xdr/advanced-hunting-cloudappevents-table,
https://learn.microsoft.com/purview/audit-log-activities (the names of activities).
"""

import datetime as dt
from dataclasses import dataclass

from integrations.connectors.microsoft365.client import GraphClient
from integrations.connectors.microsoft365.gatherers.words import ago, now
from integrations.contract import Json, Target
from integrations.microsoft.odata import literal
from integrations.values import Fields

_HUNTING = "ThreatHunting.Read.All"
_DOWNLOADS = ("FileDownloaded", "FileSyncDownloadedFull")
# To people outside: by a link that anybody may follow, or by an invitation.
_SHARES = ("AnonymousLinkCreated", "SharingInvitationCreated")
# Hunting looks back 30 days: so much of it comes before what is asked about.
_DAYS = 30
_FEW, _TIMES = 10, 5


@dataclass(frozen=True, slots=True)
class ListFileActivity:
    """Files that the account downloaded and shared, in OneDrive and SharePoint."""

    name: str = "files.list_activity"
    permissions: tuple[str, ...] = (_HUNTING,)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return the downloads and shares of the last `hours` (48) beside those of a month.

        The baseline is what the same span usually brings. Unusual: at least ten downloads, and
        five times the baseline.
        """
        since = ago(inputs, "hours", 48, most=24 * 14)
        first = now() - dt.timedelta(days=_DAYS)
        rows = client.hunt(_query(target.external_id, first, since), f"P{_DAYS}D", _HUNTING)
        told = Fields(rows[0]) if rows else Fields({})
        lately, before = int(told.number("downloads") or 0), int(told.number("before") or 0)
        usual = round(before * ((now() - since) / (since - first)))
        return {
            "downloads": lately,
            "shared_outside": int(told.number("shared") or 0),
            "baseline_downloads": usual,
            "is_unusual": lately >= _FEW and lately >= _TIMES * max(usual, 1),
        }


def _query(user_id: str, first: dt.datetime, since: dt.datetime) -> str:
    downloads, shares = (", ".join(f'"{n}"' for n in names) for names in (_DOWNLOADS, _SHARES))
    literal_id = user_id.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f"CloudAppEvents | where Timestamp >= datetime({literal(first)}) "
        f'| where AccountObjectId == "{literal_id}" '
        f"| extend IsLate = Timestamp >= datetime({literal(since)}), "
        f"IsDownload = ActionType in ({downloads}) "
        "| summarize downloads = countif(IsLate and IsDownload), "
        "before = countif(not(IsLate) and IsDownload), "
        f"shared = countif(IsLate and ActionType in ({shares}))"
    )
