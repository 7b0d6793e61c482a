"""What was found about each of those that a case is about: one of them decides on the case.

The gravest is the case's verdict. The others are kept beside it, under `others` of the case's
`verdict_detail`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tenants.models import Case

OTHERS: Final = "others"
ABOUT: Final = "about"


@dataclass(frozen=True, slots=True)
class Look:
    """What was found about one of them. `about` is its key, "" what the case is about first.

    Without a playbook it was not looked into, and has no verdict.
    """

    about: str
    name: str
    playbook: str
    title: str
    verdict: str
    confidence: str
    because: str

    def as_json(self) -> dict[str, str]:
        """Return it as it is kept with the case."""
        return {
            "about": self.about, "name": self.name, "playbook": self.playbook,
            "title": self.title, "verdict": self.verdict, "confidence": self.confidence,
            "because": self.because,
        }  # fmt: skip


def others(case: Case) -> list[Look]:
    """Return what was found about those besides the one that decided on the case."""
    return [of_detail(one) for one in case.verdict_detail.get(OTHERS, [])]


def leading(case: Case) -> Look:
    """Return what decided on the case."""
    return of_detail({**case.verdict_detail, "verdict": case.verdict})


def about(case: Case, key: str) -> Look:
    """Return what was found about one of them; of one that nobody looked into, the case's own."""
    return next((one for one in others(case) if one.about == key and one.playbook), leading(case))


def of_detail(told: Mapping[str, Any]) -> Look:
    """Read what is kept of one."""
    return Look(
        about=told.get(ABOUT, ""),
        name=told.get("name", ""),
        playbook=told.get("playbook", ""),
        title=told.get("title", ""),
        verdict=told.get("verdict", ""),
        confidence=told.get("confidence", "low"),
        because=told.get("because", ""),
    )
