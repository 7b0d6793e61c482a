"""Whether somebody has left, as the MSP's own routines know it: who was taken off is a leaver."""

import datetime as dt

from integrations.contract import Json
from playbooks.own_answers.asked import NotTold, person_of
from tenants.models import Case

_LEAVING = "offboard-leaver"


def state(case: Case, _inputs: Json) -> Json:
    """Return ``status`` and ``last_day`` as `hr.get_employment` tells them.

    NotTold where nobody asked for the person to be taken off: that somebody works here is nobody's
    knowledge. Who is to be taken off later works here until then.
    """
    rows = Case.in_scope().filter(
        account__in=person_of(case), kind=Case.Kind.ROUTINE, request__playbook=_LEAVING
    )
    # What was cancelled is closed and nothing was asked.
    asked_for = rows.exclude(status=Case.Status.CLOSED, evidence=None)
    routine = asked_for.order_by("-opened_at").first()
    if routine is None:
        raise NotTold("no product that knows of employment is connected, and nobody took them off")
    begins = routine.request.get("at") if routine.status == Case.Status.NEW else None
    last = dt.datetime.fromisoformat(begins) if begins else routine.opened_at
    return {"status": "active" if begins else "leaver", "last_day": last.date().isoformat()}
