"""What Holdfast does itself shows in the vendor's audit log: it is no attack.

A match counts as Holdfast's own where the event was made with the identity of the client's own
connection, and the ledger says that steps were carried out around that time. The match is kept and
shown with the rule, but makes no finding; at any other time the same identity is a stranger's.
"""

import datetime as dt

from integrations.models import Connection
from tenants.models import Event, LedgerEntry

_STEPS = ("step.intended", "step.called", "step.verified")
# The vendor's clock and ours differ, and what it records may be later than the call.
_AROUND = dt.timedelta(minutes=15)
# A shorter setting, such as a port or a region, is no identity.
_LEAST_LENGTH = 8
NOTE = {"field": "", "value": None, "condition": "Holdfast did this itself: it makes no finding"}


def is_own(event: Event) -> bool:
    """Whether an event of the scope's tenant is what a step of Holdfast's has left there."""
    who = {event.actor.lower(), *(one.partition(":")[2].lower() for one in event.entities)}
    if not who & _identities(event.connector):
        return False
    around = (event.time - _AROUND, event.time + _AROUND)
    return LedgerEntry.objects.filter(kind__in=_STEPS, at__range=around).exists()


def _identities(connector: str) -> set[str]:
    settings = Connection.objects.filter(connector=connector).values_list("settings", flat=True)
    values = {str(value).lower() for told in settings for value in told.values()}
    return {value for value in values if len(value) >= _LEAST_LENGTH}
