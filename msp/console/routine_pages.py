"""What the pages of the routines show, and what a filled-in form to start one means."""

import datetime as dt
import json
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from integrations import catalog, registry
from msp.console import words
from msp.console.errors import ConsoleError
from msp.console.playbook_list import MODES
from msp.console.words import Word
from playbooks import availability, routine_inputs, routines
from playbooks.adoption import activation
from playbooks.authoring.playbook import Playbook, PlaybookInput
from playbooks.freezes import zone_of
from playbooks.people import named
from tenants import excluded_devices, protection
from tenants.models import Account, Case, PlaybookMode
from tenants.storable import storable

# A person has asked for it, so nothing is for the shadow: below automatic somebody is asked.
_ASKED = MODES[PlaybookMode.APPROVE]
_NOTHING: tuple[Any, ...] = ("", [], {})
_LATELY = 20
_MOST_SCHEDULED = 200
_MOST_ACCOUNTS = 1000


@dataclass(frozen=True, slots=True)
class RoutineRow:
    """One routine that a client has; `needs` is what it lacks there, in words."""

    playbook: Playbook
    mode: Word
    needs: str


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a routine as a field: `kind` says which, `value` what stands in it."""

    name: str
    title: str
    kind: str
    value: Any
    is_required: bool


@dataclass(frozen=True, slots=True)
class AccountChoice:
    """An account that a routine may be about: what is written in the field, and whose it is."""

    written: str
    told: str


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One routine that was started: its case, whom it is about, and when it begins or began."""

    case: Case
    account: str
    by: str
    begins: str
    at: dt.datetime
    status: Word


@dataclass(frozen=True, slots=True)
class Wish:
    """What a filled-in form asks for."""

    account: Account | None
    inputs: Mapping[str, Any]
    at: dt.datetime | None


def of_scope() -> list[RoutineRow]:
    """Return the routines that the scope's tenant has, by title."""
    connected = availability.connections_of_scope()
    found = [
        RoutineRow(
            one.playbook,
            MODES[PlaybookMode.AUTOMATIC] if one.mode == PlaybookMode.AUTOMATIC else _ASKED,
            availability.of_playbook(one.playbook, connected),
        )
        for one in activation.playbooks().values()
        if one.playbook.kind == "routine"
    ]
    return sorted(found, key=lambda row: row.playbook.title)


def scheduled() -> list[CaseRow]:
    """Return the routines that were put off and have not begun, the next one first."""
    rows = _cases().filter(status=Case.Status.NEW, request__has_key="at")
    return [_row(case) for case in rows.order_by("request__at")[:_MOST_SCHEDULED]]


def lately() -> list[CaseRow]:
    """Return the routines that began or were cancelled, the newest first."""
    rows = _cases().exclude(status=Case.Status.NEW, request__has_key="at")
    return [_row(case) for case in rows.order_by("-opened_at")[:_LATELY]]


def accounts() -> list[AccountChoice]:
    """Return the accounts of the scope's tenant that a routine may be about, by username."""
    rows = list(
        Account.in_scope()
        .filter(deleted_upstream_at=None)
        .order_by("username", "provider")
        .values_list("username", "provider", "display_name")[:_MOST_ACCOUNTS]
    )
    names = Counter(username.lower() for username, _, _ in rows)
    return [
        AccountChoice(
            f"{username} ({provider})" if names[username.lower()] > 1 else username,
            ", ".join(part for part in (display_name, _provider(provider)) if part),
        )
        for username, provider, display_name in rows
    ]


def untouchable(playbook: Playbook) -> list[str]:
    """Return what of the client a routine leaves as it is; nothing where it only reads."""
    if all(catalog.get(step.uses).is_read_only for step in playbook.steps):
        return []
    names = {row.username for row in protection.of_client()}
    return sorted(names | {str(row) for row in excluded_devices.of_client()}, key=str.lower)


def fields(playbook: Playbook, posted: Mapping[str, str] | None = None) -> list[Field]:
    """Return the inputs as fields: with what was entered before, or with the client's defaults.

    Runs in the tenant's scope.
    """
    standard = routine_inputs.defaults(playbook)
    return [
        Field(
            told.name,
            told.title,
            told.type,
            _as_text(told, standard.get(told.name)) if posted is None else _entered(told, posted),
            told.is_required,
        )
        for told in playbook.inputs.values()
    ]


def read(playbook: Playbook, posted: Mapping[str, str], time_zone: str) -> Wish:
    """Return what the form asks for; ConsoleError lists what is wrong. In the tenant's scope."""
    inputs, problems = _inputs(playbook, posted)
    problems += [
        f"{told.title}: fill this in."
        for told in playbook.inputs.values()
        if told.is_required and inputs.get(told.name, "") in _NOTHING
    ]
    account, at = None, None
    try:
        account = _account(posted.get("account", "")) if playbook.is_about_one_account else None
    except ValueError as error:
        problems.append(str(error))
    try:
        at = moment(posted.get("at", ""), time_zone)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise ConsoleError("\n".join(problems))
    return Wish(account, inputs, at)


def read_defaults(playbook: Playbook, posted: Mapping[str, str]) -> dict[str, Any]:
    """Return the inputs that are to be a client's defaults; ConsoleError lists what is wrong."""
    inputs, problems = _inputs(playbook, posted)
    if problems:
        raise ConsoleError("\n".join(problems))
    return {
        name: value
        for name, value in inputs.items()
        if not (playbook.inputs[name].is_required and value in _NOTHING)
    }


def moment(text: str, time_zone: str) -> dt.datetime | None:
    """Return the moment that a clock in a time zone shows; None for an empty text.

    ValueError for what is no time, or one that the clocks leave out. Of two with the same name,
    when the clocks go back, it is the first.
    """
    if not text.strip():
        return None
    zone = zone_of(time_zone)
    try:
        told = dt.datetime.fromisoformat(text.strip())
        if told.tzinfo is not None:
            raise ValueError
        at = told.replace(tzinfo=zone).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"“{text[:40]}” is no date and time: write 2026-12-01T17:00, or nothing to begin now."
        ) from None
    if at.astimezone(zone).replace(tzinfo=None) != told:
        raise ValueError(
            f"The clocks in {time_zone} leave out {told:%d %b %Y %H:%M}: take another."
        )
    return at


def in_words(at: dt.datetime, time_zone: str) -> str:
    """Return a moment as the client's clocks show it."""
    local = at.astimezone(zone_of(time_zone))
    return f"{local:%a} {local.day} {local:%b %Y %H:%M} ({time_zone})"


def new_wish() -> str:
    """Return a word for one wish, so that a form sent twice starts one routine."""
    return secrets.token_hex(16)


def _cases() -> QuerySet[Case]:
    return (
        Case.in_scope()
        .filter(kind=Case.Kind.ROUTINE)
        .select_related("tenant", "account")
        .defer("risk_terms", "verdict_detail")
    )


def _row(case: Case) -> CaseRow:
    at = routines.begins_at(case) or case.opened_at
    return CaseRow(
        case=case,
        account=case.account.username if case.account else "",
        by=named(str(case.request.get("by", ""))),
        begins=in_words(at, case.tenant.time_zone),
        at=at,
        status=words.CASES[Case.Status(case.status)],
    )


def _provider(name: str) -> str:
    manifest = registry.CONNECTORS.get(name)
    return manifest.title if manifest else name.replace("_", " ")


def _as_text(told: PlaybookInput, value: Any) -> Any:
    """Return a value as its field holds it."""
    if told.type == "boolean":
        return bool(value)
    if value is None:
        return ""
    if told.type == "list":
        return "\n".join(map(str, value))
    return json.dumps(value, ensure_ascii=False) if told.type == "object" else str(value)


def _entered(told: PlaybookInput, posted: Mapping[str, str]) -> Any:
    text = posted.get(f"input-{told.name}", "")
    return bool(text) if told.type == "boolean" else text


def _inputs(playbook: Playbook, posted: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Return what was entered, and what of it is none of the type that the playbook wants."""
    inputs: dict[str, Any] = {}
    problems = []
    for told in playbook.inputs.values():
        try:
            value = _value(told, posted)
        except ValueError as error:
            problems.append(f"{told.title}: {error}")
        else:
            if value is not None:
                inputs[told.name] = value
    return inputs, problems


def _value(told: PlaybookInput, posted: Mapping[str, str]) -> Any:
    """Return what was entered in the type that the playbook wants; None for nothing.

    A text or a list that somebody emptied is empty, whatever the default is.
    """
    if told.type == "boolean":
        return f"input-{told.name}" in posted
    text = str(storable(posted.get(f"input-{told.name}", ""))).replace("\r\n", "\n").strip()
    if not text:
        return {"string": "", "list": []}.get(told.type)
    if told.type == "integer":
        return _whole(text)
    if told.type == "list":
        return [line.strip() for line in text.split("\n") if line.strip()]
    return _object(text) if told.type == "object" else text


def _whole(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise ValueError(f"“{text[:40]}” is no whole number.")
    return int(text)


def _object(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise ValueError('write a JSON object, such as {"name": "value"}.')
    return told


def _account(text: str) -> Account:
    """Return the account that was written; ValueError where none or more than one is meant."""
    text = str(storable(text)).strip()
    if not text:
        raise ValueError("Say which account it is about.")
    name, _, provider = text.removesuffix(")").partition(" (")
    rows = Account.in_scope().filter(username__iexact=name, deleted_upstream_at=None)
    found = list(rows.filter(provider=provider) if provider else rows)
    if not found:
        raise ValueError(f"This client has no account “{text[:100]}”: choose one of the list.")
    if len(found) > 1:
        ways = " or ".join(f"{one.username} ({one.provider})" for one in found)
        raise ValueError(f"There is more than one account “{text[:100]}”: write {ways}.")
    return found[0]
