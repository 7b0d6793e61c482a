"""What Holdfast does itself shows in the vendor's audit log: it is no attack.

A match counts as Holdfast's own only where all of this holds: the application of the client's own
connection did it, and no user; the ledger has a step at about that time; and the step's case is
about the account that was changed. The match is kept and shown with the rule, but makes no finding.
With the same application at another time, or to anybody else, it is a stranger's. Where a vendor
names no application (Google: the administrator for whom Holdfast acts), nothing counts as own.
"""

import datetime as dt
from typing import Any, Final

from django.db.models import Q

from integrations.models import Connection
from tenants.models import Case, Event, LedgerEntry

NOTE: Final = {
    "field": "", "value": None, "condition": "Holdfast did this itself: it makes no finding",
}  # fmt: skip
_STEPS: Final = ("step.intended", "step.called", "step.verified")
# The vendor's clock and ours differ, and what it records may be later than the call.
_AROUND: Final = dt.timedelta(minutes=15)
_ACCOUNT, _ACCOUNT_ID = "account:", "account_id:"


class OwnActions:
    """Tells what steps of the scope's tenant have left; reads the connections once."""

    def __init__(self) -> None:
        self._applications: dict[str, frozenset[str]] = {}

    def has(self, event: Event) -> bool:
        """Whether an event is what a step of Holdfast's has left at the vendor."""
        accounts = [one for one in event.entities if one.startswith((_ACCOUNT, _ACCOUNT_ID))]
        if not accounts or not self._did_our_application(event):
            return False
        around = (event.time - _AROUND, event.time + _AROUND)
        stepped = LedgerEntry.objects.filter(kind__in=_STEPS, at__range=around)
        ids = [one.removeprefix(_ACCOUNT_ID) for one in accounts if one.startswith(_ACCOUNT_ID)]
        about = Q(entities__overlap=accounts) | Q(account__external_id__in=ids)
        return Case.objects.filter(about, id__in=stepped.values("case_id")).exists()

    def _did_our_application(self, event: Event) -> bool:
        actor: dict[str, Any] = event.ocsf.get("actor") or {}
        app_id = str(actor.get("app_uid") or "").lower()
        if not app_id or actor.get("user"):
            return False
        if event.connector not in self._applications:
            rows = Connection.objects.filter(connector=event.connector)
            told = (
                settings.get("client_id") for settings in rows.values_list("settings", flat=True)
            )
            self._applications[event.connector] = frozenset(str(one).lower() for one in told if one)
        return app_id in self._applications[event.connector]
