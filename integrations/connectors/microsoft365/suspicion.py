"""An inbox rule in Graph's words, as `integrations.mail_rules` judges it. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from integrations.connectors.microsoft365.normalise.mail import deletes, forwarding_addresses
from integrations.mail_rules import THRESHOLD, Rule, Suspicion, is_outside, judge
from integrations.values import Fields

__all__ = ["THRESHOLD", "Suspicion", "is_outside", "of_rule"]

_CONDITION_TEXTS = (
    "subjectContains", "bodyContains", "bodyOrSubjectContains", "headerContains",
    "senderContains", "recipientContains",
)  # fmt: skip


def of_rule(
    rule: Mapping[str, Any],
    domains: Collection[str],
    *,
    folder_name: str = "",
    is_recent: bool = False,
) -> Suspicion:
    """Judge a rule in Graph's words.

    `domains` are the tenant's own mail domains, `folder_name` the name of the folder that it moves
    mail to (rules hold only its id), `is_recent` whether it was made lately.
    """
    told = Fields(rule)
    actions, conditions = told.nested("actions"), told.nested("conditions")
    texts = [text for name in _CONDITION_TEXTS for text in conditions.texts(name)]
    read = Rule(
        name=told.text("displayName"),
        forwards_to=tuple(forwarding_addresses(actions.body)),
        deletes=deletes(actions.body),
        folder=folder_name,
        moves=actions.has_any("moveToFolder"),
        marks_read=bool(actions.truth("markAsRead")),
        looks_for=tuple(texts),
        has_conditions=bool(conditions.body),
    )
    return judge(read, domains, is_recent=is_recent)
