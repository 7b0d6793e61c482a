"""How many other clients have had a case with the same indicators: a number, and nothing else.

The database counts (`holdfast_clients_with_indicators`), so no row of another client is read here.
Where there are few other clients a number would name one, so nothing is counted.
"""

import datetime as dt

from django.db import connection
from django.utils import timezone

from integrations.contract import Json
from playbooks.investigating.own_answers.asked import days
from tenants.models import Case

# What points at an attacker and not at the client: addresses, names, files and senders.
INDICATORS = ("ip:", "domain:", "url:", "file:", "sender:")
_MOST = 200


def count(case: Case, inputs: Json) -> Json:
    """Return how many other clients had a case with one of the case's indicators in `days` (30).

    `is_counted` is false where there are too few clients to say.
    """
    indicators = [one for one in case.entities if one.startswith(INDICATORS)][:_MOST]
    since = timezone.now() - dt.timedelta(days=days(inputs, 30, most=365))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT holdfast_clients_with_indicators(%s::text[], %s)", [indicators, since]
        )
        (clients,) = cursor.fetchone()
    return {
        "indicators": indicators,
        "clients": clients or 0,
        "is_counted": clients is not None,
    }
