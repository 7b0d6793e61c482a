"""The playbooks that come with Holdfast, loaded and checked once."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from playbooks.errors import ConditionError, PlaybookError
from playbooks.language import Playbook, load

_FOLDER = Path(__file__).parent
# For what no other investigation knows, in this order.
OF_NOBODY = "investigate-company-wide"
LAST = ("investigate-device-activity", "investigate-account-activity", OF_NOBODY)


@cache
def playbooks() -> Mapping[str, Playbook]:
    """Return every playbook by id; PlaybookError where a file is wrong."""
    found: dict[str, Playbook] = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        playbook = load(path.read_text(encoding="utf-8"), path.name)
        if playbook.id != path.stem:
            raise PlaybookError([f"{path.name}:1:1: the id is {playbook.id!r}: rename one of them"])
        found[playbook.id] = playbook
    missing = [
        f"{playbook.id}: the response {response!r} is no playbook"
        for playbook in found.values()
        for responses in playbook.responses.values()
        for response in responses
        if response not in found
    ]
    if missing:
        raise PlaybookError(missing)
    return MappingProxyType(found)


def get(playbook_id: str) -> Playbook:
    """Return the playbook of that id; PlaybookError lists those there are."""
    try:
        return playbooks()[playbook_id]
    except KeyError:
        raise PlaybookError(
            [f"There is no playbook {playbook_id!r}. Playbooks: {', '.join(playbooks())}."]
        ) from None


def choose_investigation(
    facts: Mapping[str, Any], among: Mapping[str, Playbook] | None = None
) -> Playbook | None:
    """Return the first investigation (by id) whose trigger holds for a case; None if none does.

    Those in `LAST` are tried after all others. `among`: the playbooks of a tenant, by id; without
    it, those that come with Holdfast.
    """
    known = playbooks() if among is None else among
    others = sorted(known.keys() - set(LAST))
    for playbook in (known[one] for one in (*others, *LAST) if one in known):
        if playbook.kind == "investigation" and triggers(playbook, facts):
            return playbook
    return None


def responses_for(
    investigation_id: str, facts: Mapping[str, Any], among: Mapping[str, Playbook] | None = None
) -> list[str]:
    """Return the responses that follow an investigation's verdict and whose trigger holds.

    PlaybookError where the investigation, or a response that it names, is none of the playbooks.
    """
    known = playbooks() if among is None else among
    if investigation_id not in known:
        raise PlaybookError([f"There is no playbook {investigation_id!r} here any more."])
    named = known[investigation_id].responses.get(facts["verdict"]["value"], ())
    missing = [playbook_id for playbook_id in named if playbook_id not in known]
    if missing:
        raise PlaybookError(
            [f"{investigation_id} names {one!r}: import and activate it." for one in missing]
        )
    return [playbook_id for playbook_id in named if triggers(known[playbook_id], facts)]


def triggers(playbook: Playbook, facts: Mapping[str, Any]) -> bool:
    """Whether a playbook is for a case with these facts."""
    try:
        return playbook.trigger.holds(facts)
    except ConditionError:
        # A trigger on facts that this case doesn't have is not for this case.
        return False
