"""Where mail is sent on to, as a case's evidence of inbox rules and forwarding tells it.

An attacker's mailbox is often seen nowhere else: the rule is found by asking, and no alert names
it.
"""

import uuid
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Q

from integrations.values import entity
from tenants.models import Evidence

_RULES, _FORWARDING = "mailbox.list_inbox_rules", "mailbox.get_forwarding"


def of_cases(cases: Collection[uuid.UUID], account: str = "") -> dict[uuid.UUID, set[str]]:
    """Return where mail is sent on to in each of the scope's cases that knows, as entities.

    `account`: whose mailbox is meant, by its vendor's id, where not that of each account.
    """
    rows = Evidence.in_scope().filter(
        case__in=cases, gatherer__in=(_RULES, _FORWARDING), is_available=True
    )
    if account:
        of_account = Q(answer__about__account=account)
        rows = rows.filter(of_account | Q(answer__about__account__isnull=True))
    found: dict[uuid.UUID, set[str]] = {}
    for case_id, facts in rows.order_by().values_list("case", "answer__facts"):
        if to := set(_addresses(facts or {})):
            found.setdefault(case_id, set()).update(entity("sender", one) for one in to)
    return found


def _addresses(facts: dict[str, Any]) -> Iterable[str]:
    """Return the mail addresses of an answer; a recipient that is told by a name is none."""
    told = [to for rule in facts.get("rules") or () for to in rule.get("forwards_to") or ()]
    forwarding = facts.get("forwarding") or {}
    told += [forwarding.get("smtp_address"), forwarding.get("recipient")]
    return (one for one in told if isinstance(one, str) and "@" in one)
