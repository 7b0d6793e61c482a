"""How long audits of SIEMs are kept: all of them for a while, then the last of each month."""

import datetime as dt
import uuid

from django.utils import timezone

from integrations.models import Connection, SiemAudit
from tenants import ledger

# A month is thinned when it is over for so long: its report has been made by then.
_WHOLE = dt.timedelta(days=35)
_LONGEST = dt.timedelta(days=400)


def thin(row: Connection) -> int:
    """Remove the audits of a connection of the scope's tenant that are kept no longer.

    A month goes as a whole but its last audit, and the ledger says so; return how many went.
    """
    now = timezone.now()
    month = (now - _WHOLE).astimezone(dt.UTC).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )  # fmt: skip
    old = SiemAudit.in_scope().filter(connection=row, at__lt=month)
    went = old.exclude(id__in=_last_of_each_month(row, month), at__gte=now - _LONGEST)
    number, _ = went.delete()
    if number:
        ledger.append(
            "siem.audits_removed", actor="engine", subject=row.name,
            body={"removed": number, "before": month.date().isoformat()},
        )  # fmt: skip
    return number


def _last_of_each_month(row: Connection, before: dt.datetime) -> list[uuid.UUID]:
    rows = SiemAudit.in_scope().filter(connection=row, at__lt=before).order_by("at")
    of_months = {(at.year, at.month): own for own, at in rows.values_list("id", "at")}
    return list(of_months.values())
