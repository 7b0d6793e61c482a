"""What a case is about besides its first account, device and message: each has its turn.

Alerts join one case because they share something, or because a technician merged two cases. What
one alert is about by itself would have been looked into had it come alone, so it is looked into and
contained in the case as well, with what the alerts that name it tell.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from playbooks.cases import case_accounts, case_alerts, case_devices
from playbooks.cases.case_accounts import Accounts
from playbooks.cases.case_devices import CaseDevice
from tenants.models import Account, Case

# So many more are looked into by themselves; what is beyond is named, for a person.
MOST: Final = 10
_MESSAGE: Final = "message:"
_WHO: Final = (*case_accounts.PREFIXES, "device:", "device_id:", _MESSAGE)


@dataclass(frozen=True, slots=True)
class Subject:
    """One account, device or message more, with what else the alerts that name it are about.

    `key` tells it from the others of the case, `alerts` are the uids of those that name it.
    """

    key: str
    name: str
    account: Account | None
    device: CaseDevice | None
    message: str
    alerts: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Told:
    """What one alert is about first, and all whom or what it names."""

    uid: str
    account: Account | None
    device: CaseDevice | None
    message: str
    named: frozenset[str]

    @property
    def keys(self) -> list[tuple[str, str]]:
        """The keys of what it is about, with their names."""
        return _keys(self.account, self.device, self.message)


def first(case: Case) -> Subject | None:
    """Return what a case is about first, where other alerts of it have nobody in common with it.

    None where all of its alerts belong to what it is about first. Runs in the tenant's scope.
    """
    return _first(case, _told(case))


def _first(case: Case, told: list[_Told]) -> Subject | None:
    groups = _groups(told)
    if len(groups) < 2:
        return None
    lead = _lead(case, groups)
    others = {one.uid for group in groups if group is not lead for one in group}
    return Subject(
        key="",
        name="",
        account=next((one.account for one in lead if _is_of_the_case(case, one)), None)
        or next((one.account for one in lead if one.account), None),
        device=next((one.device for one in lead if one.device), None),
        message=min((one.message for one in lead if one.message), default=""),
        alerts=frozenset({one.uid for one in told} - others),
    )


def further(case: Case) -> list[Subject]:
    """Return what the case's alerts are about besides what the case is about first, in one order.

    Runs in the tenant's scope.
    """
    told = _told(case)
    about = _first(case, told)
    covered = {key for key, _ in _first_keys(case, about)}
    found: dict[str, Subject] = {}
    for one in told:
        new = [(key, name) for key, name in one.keys if key not in covered]
        is_of_first = _is_of_the_case(case, one) and not (about and one.uid not in about.alerts)
        if not new or (is_of_first and all(key.startswith("account:") for key, _ in new)):
            continue
        (key, name), *_ = new
        covered |= {known for known, _ in new}
        alerts = frozenset(each.uid for each in told if key in dict(each.keys))
        found[key] = Subject(key, name, one.account, one.device, one.message, alerts)
    return list(found.values())


def narrowed(case: Case, subject: Subject | None) -> Case:
    """Return the case as if only what is about a subject had come, to read of; it is never saved.

    None is what the case is about first: what is about another, such as a second mail of the same
    mailbox, is left out. What one of them is known for says nothing of the others.
    """
    others = {one.key for one in further(case)}
    if not others:
        return case
    about = subject or first(case)
    told = _told(case)
    mine = about.alerts if about else frozenset(one.uid for one in told)
    if subject is None:
        mine -= {one.uid for one in told if one.keys and one.keys[0][0] in others}
    entities = {
        entity
        for finding in case_alerts.of_case(case)
        if finding.uid in mine
        for entity in finding.entities
    }
    view = copy.copy(case)
    view.account = about.account if about else case.account
    view.entities = sorted(entities)
    return view


def _lead(case: Case, groups: list[list[_Told]]) -> list[_Told]:
    """Return the alerts that a case is about first: its account's, else its device's."""
    about = case_devices.about(case)
    wanted = [account_key(case.account)] if case.account else []
    wanted += [device_key(about)] if about else []
    wanted.append(message_key(first_message(case)))
    for key in wanted:
        for group in groups:
            if any(key in dict(one.keys) for one in group):
                return group
    return groups[0]


def _groups(told: list[_Told]) -> list[list[_Told]]:
    """Return the alerts that are about something, in groups that have nobody in common."""
    groups: list[tuple[set[str], list[_Told]]] = []
    for one in told:
        if not one.keys:
            continue
        names = {*one.named, *dict(one.keys)}
        if one.account is not None and one.account.person_id is not None:
            names.add(f"person:{one.account.person_id}")
        mine = [one]
        for group in [group for group in groups if group[0] & names]:
            groups.remove(group)
            names |= group[0]
            mine = [*group[1], *mine]
        groups.append((names, mine))
    return [alerts for _, alerts in groups]


def _first_keys(case: Case, about: Subject | None) -> list[tuple[str, str]]:
    if about is not None:
        return _keys(about.account, about.device, about.message)
    return _keys(case.account, case_devices.about(case), first_message(case))


def first_message(case: Case) -> str:
    """Return the id of the message that a case is about; empty where it is about none."""
    return min(_messages(case.entities), default="")


def other_messages(case: Case) -> list[str]:
    """Return the ids of the messages that a case names besides the one that it is about first."""
    return sorted(set(_messages(case.entities)) - {first_message(case)})


def message_key(message: str) -> str:
    """Return the key of a message."""
    return f"{_MESSAGE}{message}"


def account_key(account: Account) -> str:
    """Return the key of an account."""
    return f"account:{account.id}"


def device_key(device: CaseDevice) -> str:
    """Return the key of a device that is known."""
    return f"device:{device.rows[0].id}"


def of_facts(case: Case, facts: Mapping[str, Any]) -> Subject | None:
    """Return the subject of a case that facts are about; None where that is the case itself.

    Facts that were gathered when it was a case of its own are about it as well.
    """
    by_key = {one.key: one for one in further(case)}
    if not by_key:
        return None
    named = [f"{_MESSAGE}{facts['message']['external_id']}"] if "message" in facts else []
    named += [f"{kind}:{facts[kind]['id']}" for kind in ("account", "device") if kind in facts]
    wanted = [facts["about"]] if facts.get("about") else named
    return next((by_key[key] for key in wanted if key in by_key), None)


def key_of(case: Case, facts: Mapping[str, Any]) -> str:
    """Return the key of what facts are about; "" where that is what the case is about first."""
    one = of_facts(case, facts)
    return one.key if one else ""


def is_gone(case: Case, facts: Mapping[str, Any]) -> bool:
    """Whether facts are about what a case is about no more: its alerts are another case's now."""
    if not facts.get("about") or of_facts(case, facts) is not None:
        return False
    return facts["about"] not in [key for key, _ in _first_keys(case, first(case))]


def _told(case: Case) -> list[_Told]:
    """Return what each alert of a case is about first; nothing where all name the same."""
    findings = case_alerts.of_case(case)
    if len({_who(one.entities) for one in findings}) < 2:
        # What the one alert is about is what the case is about.
        return []
    accounts = Accounts({entity for one in findings for entity in one.entities})
    devices = [one for one in case_devices.of_case(case) if one.rows]
    return [
        _Told(
            one.uid,
            accounts.meant_by({entity: {one.connector} for entity in one.entities}),
            next((d for d in devices if case_devices.is_named(d, one.entities)), None),
            min(_messages(one.entities), default=""),
            _who(one.entities),
        )
        for one in findings
    ]


def _who(entities: Iterable[str]) -> frozenset[str]:
    return frozenset(entity for entity in entities if entity.startswith(_WHO))


def _keys(
    account: Account | None, device: CaseDevice | None, message: str
) -> list[tuple[str, str]]:
    """Return what is told from what else by which key, and its name; what is acted on first."""
    found = [(message_key(message), f"the mail {message}")] if message else []
    if account is not None:
        found.append((account_key(account), account.username))
    if device is not None:
        found.append((device_key(device), str(device)))
    return found


def _is_of_the_case(case: Case, told: _Told) -> bool:
    """Whether an alert is about an account of whom the case is about."""
    return (
        told.account is not None
        and case.account is not None
        and case_accounts.is_same(told.account, case.account)
    )


def _messages(entities: Iterable[str]) -> Iterator[str]:
    return (one.removeprefix(_MESSAGE) for one in entities if one.startswith(_MESSAGE))
