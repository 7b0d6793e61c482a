"""What a case says that it needs of a person: sentences, each settled alone. Pure.

A call for as long as Holdfast goes on trying stands first, then what there is to decide and to do.
"""

import re
from collections.abc import Iterable

TRYING = "It goes on trying."
CLOSES = "The case closes by itself when all is done and proven."
_DECIDE = re.compile(r" ?Approve or reject (\d+ plans?|the undoing)\.")
_PLANS = re.compile(r"Approve or reject \d+ plans?\.")
_OTHERS = re.compile(r" ?\d+ more are not proven either: see the plans\.")
_SENTENCES = re.compile(r"(?<=\.) ")
_SPACES = re.compile(r" {2,}")


def without_call(needs: str) -> str:
    """Return what a person has to do anyhow, whether or not Holdfast can go on."""
    return needs.rpartition(TRYING)[2].removesuffix(CLOSES).strip()


def closes_by_itself(needs: str) -> bool:
    """Whether a technician was called only until Holdfast can go on."""
    return needs.endswith(CLOSES)


def besides_deciding(needs: str) -> str:
    """Return what a person has to do besides deciding on plans."""
    return _DECIDE.sub("", needs).strip()


def together(needs: str, others: str) -> str:
    """Return what two cases need of a person as one: what both say stands once."""
    said = set(_SENTENCES.split(needs))
    return " ".join([needs, *(one for one in _SENTENCES.split(others) if one not in said)]).strip()


def to_decide(plans: int) -> str:
    """Say that so many plans wait for somebody."""
    return f"Approve or reject {plans} plan{'s' if plans > 1 else ''}."


def counted_anew(needs: str, plans: int) -> str:
    """Return what a case needs while so many plans wait; they were counted when they were made."""
    if not plans:
        return besides_deciding(needs)
    told = _PLANS.sub(to_decide(plans), needs)
    return told if _DECIDE.search(told) else f"{to_decide(plans)} {told}".strip()


def others(number: int) -> str:
    """Say that so many more steps are not proven than are named."""
    return f"{number} more are not proven either: see the plans."


def without(needs: str, sentences: Iterable[str]) -> str:
    """Return what is left when these are settled; that there are others is counted again then."""
    for sentence in sentences:
        if sentence:
            needs = needs.replace(sentence, "")
    return _SPACES.sub(" ", _OTHERS.sub("", needs)).strip()
