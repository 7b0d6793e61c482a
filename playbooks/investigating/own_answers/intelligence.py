"""Which known indicators the case, and what happened around it, name."""

import datetime as dt
from collections.abc import Collection

from integrations.contract import Json
from integrations.intelligence import markings, matching, sent_on
from integrations.intelligence.naming import with_parents
from tenants.models import Case, Event

_AROUND = dt.timedelta(days=1)
_WHOM = ("account:", "account_id:", "mailbox:", "device:", "device_id:")
_MOST_EVENTS, _MOST = 5000, 50


def matches(case: Case, _inputs: Json) -> Json:
    """Return the indicators in force that the case's alerts name, or events of the same time do.

    So does what its evidence tells of where mail is sent on to, also of cases merged into it.

    `highest_confidence` is 0 where there are none.
    """
    told = with_parents(case.entities)
    found = matching.known({*case.entities, *_around(case), *_sent_on(case)})
    return {
        "matches": [_match(one, told) for one in found[:_MOST]],
        "count": len(found),
        "highest_confidence": max((one.sure for one in found), default=0),
    }


def _match(known: matching.Known, told: Collection[str]) -> Json:
    one = known.indicator
    return {
        "external_id": str(one.id), "name": one.entity, "source": one.source, "title": one.title,
        "confidence": known.sure, "told_confidence": one.confidence, "about": one.about,
        "tlp": one.tlp, "for_own_eyes": one.tlp in markings.OWN_EYES,
        "in_alert": one.entity in told,
    }  # fmt: skip


def _sent_on(case: Case) -> set[str]:
    merged = Case.in_scope().filter(merged_into=case).values_list("id", flat=True)
    account = case.account.external_id if case.account else ""
    return set().union(*sent_on.of_cases([case.id, *merged], account).values())


def _around(case: Case) -> set[str]:
    """Return what events name that are about the same, from a day before to the last activity."""
    whom = [one for one in case.entities if one.startswith(_WHOM)]
    if case.account is not None:
        names = {case.account.username.lower(), case.account.email.lower()} - {""}
        whom += [f"account:{name}" for name in names]
        whom.append(f"account_id:{case.account.external_id.lower()}")
    rows = Event.in_scope().filter(
        entities__overlap=whom,
        time__gte=case.first_activity_at - _AROUND,
        time__lte=case.last_activity_at,
    )
    named = rows.order_by("-time").values_list("entities", flat=True)[:_MOST_EVENTS]
    return {one for entities in named for one in entities}
