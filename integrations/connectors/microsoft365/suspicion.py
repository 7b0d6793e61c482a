"""How suspicious an inbox rule is: a sum of terms, each with its reason. Pure.

Source of the signs: https://learn.microsoft.com/defender-xdr/alert-grading-playbook-inbox-manipulation-rules
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.normalise.mail import deletes, forwarding_addresses
from integrations.values import Fields

# From this sum on a rule is suspicious: sending mail outside alone is enough, anything else only
# together with another sign.
THRESHOLD = 4
_OUTSIDE, _DELETES, _HIDES_IN_FOLDER, _KEYWORDS, _NAME = 4, 2, 2, 2, 2
_EVERYTHING, _MARKS_READ, _RECENT = 1, 1, 1

# Folders that nobody looks into, as Outlook names them in English, German, French and Spanish.
_UNREAD_FOLDERS = (
    "rss", "archive", "archiv", "conversation history", "junk", "spam", "deleted items",
    "deleteditems", "gelöschte", "éléments supprimés", "eliminados", "trash", "sync issues",
    "notes", "history", "unterhaltung",
)  # fmt: skip
_WORDS = re.compile(
    r"invoice|payment|\bpay\b|\bbank|wire|transfer|iban|swift|remit|purchase order|payroll|salary"
    r"|direct deposit|\bach\b|statement|overdue|rechnung|zahlung|überweisung|facture|virement"
    r"|hack|phish|suspicious|malware|password|compromis|security alert|unusual sign|helpdesk"
    r"|docusign|quarantine|spoof|fraud",
    re.IGNORECASE,
)
_CONDITION_TEXTS = (
    "subjectContains", "bodyContains", "bodyOrSubjectContains", "headerContains",
    "senderContains", "recipientContains",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The sum, and the reasons in words that a technician reads."""

    score: int
    why: tuple[str, ...]

    @property
    def is_suspicious(self) -> bool:
        """Whether the sum reaches the threshold."""
        return self.score >= THRESHOLD


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
    terms: list[tuple[int, str]] = []
    outside = [a for a in forwarding_addresses(actions.body) if is_outside(a, domains)]
    if outside:
        terms.append((_OUTSIDE, f"sends mail outside the organisation ({', '.join(outside)})"))
    removes = deletes(actions.body)
    if removes:
        terms.append((_DELETES, "deletes the mail"))
    hides = any(word in folder_name.lower() for word in _UNREAD_FOLDERS)
    if hides:
        terms.append(
            (_HIDES_IN_FOLDER, f"moves mail to a folder that nobody reads ({folder_name})")
        )
    words = sorted(_keywords(conditions))
    if words:
        terms.append((_KEYWORDS, f"picks out mail about {', '.join(words)}"))
    if not re.search(r"\w{2}", told.text("displayName")):
        terms.append((_NAME, f'has a name that says nothing ("{told.text("displayName")}")'))
    if not conditions.body and (removes or hides or outside):
        terms.append((_EVERYTHING, "applies to all mail"))
    if actions.truth("markAsRead") and (
        removes or hides or outside or actions.has_any("moveToFolder")
    ):
        terms.append((_MARKS_READ, "marks the mail as read"))
    if is_recent:
        terms.append((_RECENT, "was made lately"))
    return Suspicion(sum(points for points, _ in terms), tuple(reason for _, reason in terms))


def is_outside(mail: str, domains: Collection[str]) -> bool:
    """Whether an address is outside these domains and their subdomains."""
    domain = mail.lower().removeprefix("smtp:").rpartition("@")[2].strip("<> ")
    if not domain or "@" not in mail:
        return False
    return not any(domain == own or domain.endswith(f".{own}") for own in domains)


def _keywords(conditions: Fields) -> set[str]:
    texts = [text for name in _CONDITION_TEXTS for text in conditions.texts(name)]
    return {found.lower() for text in texts for found in _WORDS.findall(text)}
