"""What makes an inbox rule suspicious: a documented score, each point with its reason.

The signs are those of Microsoft's grading playbook
(https://learn.microsoft.com/defender-xdr/alert-grading-playbook-inbox-manipulation-rules).
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

SUSPICIOUS_FROM = 3
_HIDING_FOLDERS = re.compile(
    r"rss|archive|conversation history|junk|deleted|notes|outbox|sync issues", re.IGNORECASE
)
_MONEY_AND_ALARM = re.compile(
    r"invoice|payment|bank|wire|iban|swift|payroll|salary|hacked|phish|password|docusign|"
    r"security alert|undeliverable|helpdesk",
    re.IGNORECASE,
)
_FORWARDS = ("forwardTo", "forwardAsAttachmentTo", "redirectTo")


@dataclass(frozen=True, slots=True)
class Assessment:
    """How suspicious a rule is, and why."""

    points: int
    why: tuple[str, ...]
    forwards_to: tuple[str, ...]
    forwards_outside: bool
    deletes: bool
    moves_to: str

    @property
    def is_suspicious(self) -> bool:
        """Whether the points reach the threshold."""
        return self.points >= SUSPICIOUS_FROM


def assess(
    rule: Mapping[str, Any], domains: Collection[str], folders: Mapping[str, str]
) -> Assessment:
    """Assess one Graph messageRule. Pure.

    `domains` are the organisation's own, `folders` maps folder ids to names.
    """
    actions = rule.get("actions") or {}
    forwards = tuple(_addresses(actions))
    outside = [a for a in forwards if a.rsplit("@", 1)[-1] not in domains]
    deletes = bool(actions.get("delete") or actions.get("permanentDelete"))
    moves_to = str(actions.get("moveToFolder") or "")
    moves_to = folders.get(moves_to, moves_to)
    found: list[tuple[int, str]] = []
    if outside:
        found.append((3, f"sends mail outside the organisation: {', '.join(outside)}"))
    if deletes:
        found.append((2, "deletes mail"))
    if moves_to and _HIDING_FOLDERS.search(moves_to):
        found.append((2, f"moves mail to {moves_to}, where nobody looks"))
    if actions.get("markAsRead") and (deletes or moves_to):
        found.append((1, "marks mail as read, so that it goes unnoticed"))
    words = sorted({w.lower() for w in _MONEY_AND_ALARM.findall(" ".join(_conditions(rule)))})
    if words:
        found.append((2, f"picks out mail about {', '.join(words)}"))
    name = str(rule.get("displayName") or "")
    if not re.search(r"\w", name):
        found.append((1, "has a name without a letter"))
    return Assessment(
        points=sum(points for points, _ in found),
        why=tuple(reason for _, reason in found),
        forwards_to=forwards,
        forwards_outside=bool(outside),
        deletes=deletes,
        moves_to=moves_to,
    )


def _addresses(actions: Mapping[str, Any]) -> list[str]:
    found = []
    for key in _FORWARDS:
        for recipient in actions.get(key) or []:
            told = (recipient.get("emailAddress") or {}) if isinstance(recipient, Mapping) else {}
            if told.get("address"):
                found.append(str(told["address"]).lower())
    return found


def _conditions(rule: Mapping[str, Any]) -> list[str]:
    """Return the words that a rule looks for."""
    return [
        str(word)
        for value in (rule.get("conditions") or {}).values()
        if isinstance(value, list)
        for word in value
        if isinstance(word, str)
    ]
