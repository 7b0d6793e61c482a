"""Whether somebody works here: as people said, as the MSP's routines and the directories tell."""

import datetime as dt

from integrations.contract import Json
from playbooks.investigating.own_answers.asked import NotTold, person_of
from playbooks.models import Absence
from playbooks.questions import absences
from tenants.models import Account, Case

_LEAVING = "offboard-leaver"


def state(case: Case, _inputs: Json) -> Json:
    """Return ``status``, ``last_day``, ``until`` and ``source`` of `hr.get_employment`.

    What a person said counts before what a routine did, and that before a directory's last day.
    NotTold where nobody and nothing tells: that somebody works here is nobody's knowledge. It is
    told as of the case's last activity.
    """
    accounts = person_of(case)
    day = case.last_activity_at.date()
    told = _said(accounts, day) or _taken_off(accounts) or _ends(accounts, day)
    if told is None:
        raise NotTold(
            "no product that knows of employment is connected, nobody said that they are away, and "
            "nobody took them off"
        )
    return told


def _told(status: str, source: str, last_day: str = "", until: str = "") -> Json:
    return {"status": status, "last_day": last_day, "until": until, "source": source}


def _said(accounts: list[Account], day: dt.date) -> Json | None:
    person_id = accounts[0].person_id
    row = absences.newest(person_id) if person_id else None
    if row is None:
        return None
    source = f"{row.actor.partition(':')[2] or row.actor}, {row.created_at:%Y-%m-%d}"
    if row.kind == Absence.Kind.PRESENT:
        return _told("active", source)
    if row.kind == Absence.Kind.LEAVER:
        last = row.first_day
        return _told("leaver" if last < day else "active", source, last.isoformat())
    if row.first_day <= day and (row.last_day is None or day <= row.last_day):
        return _told("on_leave", source, until=row.last_day.isoformat() if row.last_day else "")
    return None


def _taken_off(accounts: list[Account]) -> Json | None:
    """Return what the routine that takes people off tells; until its time they work here."""
    rows = Case.in_scope().filter(
        account__in=accounts, kind=Case.Kind.ROUTINE, request__playbook=_LEAVING
    )
    # What was cancelled is closed and nothing was asked.
    asked_for = rows.exclude(status=Case.Status.CLOSED, evidence=None)
    routine = asked_for.order_by("-opened_at").first()
    if routine is None:
        return None
    begins = routine.request.get("at") if routine.status == Case.Status.NEW else None
    last = dt.datetime.fromisoformat(begins) if begins else routine.opened_at
    status = "active" if begins else "leaver"
    return _told(status, f"routine of case {routine.number}", last.date().isoformat())


def _ends(accounts: list[Account], day: dt.date) -> Json | None:
    """Return the day on which a directory lets an account end, as Active Directory tells it."""
    for account in accounts:
        if told := account.attributes.get("expires_at"):
            last = dt.datetime.fromisoformat(told).date()
            status = "leaver" if last < day else "active"
            return _told(status, f"account's end at {account.provider}", last.isoformat())
    return None
