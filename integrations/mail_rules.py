"""How suspicious a rule of a mailbox is: a sum of terms, each with its reason. Pure.

Source of the signs: https://learn.microsoft.com/defender-xdr/alert-grading-playbook-inbox-manipulation-rules
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

# From this sum on a rule is suspicious: sending mail outside alone is enough, anything else only
# together with another sign.
THRESHOLD = 4
_OUTSIDE, _DELETES, _HIDES_IN_FOLDER, _KEYWORDS, _NAME = 4, 2, 2, 2, 2
_EVERYTHING, _MARKS_READ, _RECENT = 1, 1, 1

# Folders that nobody looks into, as Outlook and Gmail name them in English, German, French and
# Spanish.
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


@dataclass(frozen=True, slots=True)
class Rule:
    """What of a mail rule counts, whoever made it.

    `name` is None where the vendor's rules have no names. `folder` is the name of the folder that
    it moves mail to, "" where it moves none or the name isn't known (then `moves` is True).
    `looks_for` are the texts of its conditions.
    """

    name: str | None
    forwards_to: tuple[str, ...]
    deletes: bool
    folder: str
    moves: bool
    marks_read: bool
    looks_for: tuple[str, ...]
    has_conditions: bool


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The sum, and the reasons in words that a technician reads."""

    score: int
    why: tuple[str, ...]

    @property
    def is_suspicious(self) -> bool:
        """Whether the sum reaches the threshold."""
        return self.score >= THRESHOLD


def judge(rule: Rule, domains: Collection[str], *, is_recent: bool = False) -> Suspicion:
    """Judge a rule. `domains` are the organisation's own, `is_recent`: it was made lately."""
    outside = [a for a in rule.forwards_to if is_outside(a, domains)]
    hides = any(word in rule.folder.lower() for word in _UNREAD_FOLDERS)
    words = sorted({found.lower() for text in rule.looks_for for found in _WORDS.findall(text)})
    buries = bool(rule.deletes or hides or outside)
    terms = (
        (_OUTSIDE, outside, f"sends mail outside the organisation ({', '.join(outside)})"),
        (_DELETES, rule.deletes, "deletes the mail"),
        (_HIDES_IN_FOLDER, hides, f"moves mail to a folder that nobody reads ({rule.folder})"),
        (_KEYWORDS, words, f"picks out mail about {', '.join(words)}"),
        (_NAME, rule.name is not None and not re.search(r"\w{2}", rule.name),
         f'has a name that says nothing ("{rule.name}")'),
        (_EVERYTHING, not rule.has_conditions and buries, "applies to all mail"),
        (_MARKS_READ, rule.marks_read and (buries or rule.moves), "marks the mail as read"),
        (_RECENT, is_recent, "was made lately"),
    )  # fmt: skip
    holding = [(points, reason) for points, holds, reason in terms if holds]
    return Suspicion(sum(points for points, _ in holding), tuple(reason for _, reason in holding))


def is_outside(mail: str, domains: Collection[str]) -> bool:
    """Whether an address is outside these domains and their subdomains."""
    domain = mail.lower().removeprefix("smtp:").rpartition("@")[2].strip("<> ")
    if not domain or "@" not in mail:
        return False
    return not any(domain == own or domain.endswith(f".{own}") for own in domains)
