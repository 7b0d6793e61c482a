"""What the form of the rules of engagement offers to choose from: actions, targets, weekdays."""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from integrations import catalog
from playbooks.freezes import WEEKDAYS

_ROOMS: Final = {
    "identity": "Accounts",
    "mailbox": "Mailboxes",
    "email": "Messages",
    "endpoint": "Computers",
    "patch": "Updates",
    "indicator": "Indicators of attacks",
    "posture": "Settings",
}
# The targets that a condition most often asks for, by what it says in CEL.
TARGETS: Final = {
    "": "Any target",
    "target.is_privileged": "Administrators",
    "target.is_vip": "Important people",
    "target.is_server": "Servers",
    "target.is_synced": "Accounts from Active Directory",
    "target.is_shared": "Shared mailboxes",
}


class Choice(NamedTuple):
    """One thing to choose: what is sent, what people read, and whether it is chosen."""

    value: str
    label: str
    is_chosen: bool


class Group(NamedTuple):
    """Choices under one heading."""

    label: str
    choices: Sequence[Choice]


class Actions(NamedTuple):
    """The actions to choose from; `summary` names the chosen ones, empty where none is."""

    groups: Sequence[Group]
    summary: str


def actions(chosen: Collection[str]) -> Actions:
    """Return the actions by room, each room with all of it first, and then what else is chosen."""
    groups = [
        Group(label, [Choice(value, told, value in chosen) for value, told in _of_room(room)])
        for room, label in _ROOMS.items()
    ]
    offered = {choice.value for group in groups for choice in group.choices}
    others = [Choice(one, one, True) for one in chosen if one not in offered]
    if others:
        groups.append(Group("As it was written", others))
    named = [
        f"{group.label}: all" if choice.value.endswith(".*") and group.label else choice.label
        for group in groups
        for choice in group.choices
        if choice.is_chosen
    ]
    return Actions(groups, ", ".join(named))


def weekdays(chosen: Collection[str]) -> list[Choice]:
    """Return the days of the week."""
    told = [day.lower() for day in chosen]
    return [Choice(day, day.capitalize(), day in told) for day in WEEKDAYS]


def target_of(when: str) -> tuple[str, str]:
    """Return a condition as the target that is chosen, and what else it says."""
    return (when, "") if when and when in TARGETS else ("", when)


def condition_of(target: str, when: str) -> str:
    """Return the condition that a chosen target and what else was written make."""
    if not target or target not in TARGETS:
        return when
    return f"{target} && ({when})" if when else target


def listed(value: Any) -> list[str]:
    """Return a list of names, also where a document gives one name or what is no list."""
    if isinstance(value, list):
        return [str(one) for one in value]
    return [str(value)] if value else []


def _of_room(room: str) -> list[tuple[str, str]]:
    named = [
        (action.name, action.title)
        for action in catalog.ACTIONS
        if not action.is_read_only and action.name.startswith(f"{room}.")
    ]
    return [(f"{room}.*", "All of these"), *named]
