"""What a routine is given: what its starter says, else the tenant's own, else the playbook's.

Everything here speaks of the tenant of the current scope.
"""

from collections.abc import Mapping
from typing import Any

from playbooks.authoring.playbook import INPUT_TYPES, Playbook, PlaybookInput
from playbooks.errors import PlaybookError
from playbooks.models import RoutineDefaults
from tenants import ledger, scope

_NOTHING: tuple[Any, ...] = ("", [], {})


def defaults(playbook: Playbook) -> dict[str, Any]:
    """Return the values of the inputs where nothing else is said: the tenant's, the playbook's.

    What the tenant once said of an input that this version no longer has, or of another type, is
    left out.
    """
    row = RoutineDefaults.objects.filter(playbook_id=playbook.id).first()
    own = row.inputs if row else {}
    found = {}
    for name, told in playbook.inputs.items():
        value = own.get(name, told.default)
        if name in own and not _is_of_type(value, told):
            value = told.default
        if value is not None:
            found[name] = value
    return found


def set_defaults(
    playbook: Playbook, inputs: Mapping[str, Any], *, actor: str
) -> RoutineDefaults | None:
    """Make `inputs` the tenant's own defaults for a routine; {} for those of the playbook again.

    None where they are so already. PlaybookError where the playbook is no routine, or an input is
    unknown or of another type than it says.
    """
    if playbook.kind != "routine":
        raise PlaybookError([f"{playbook.id} is a playbook for {playbook.kind}s, not a routine."])
    problems = _problems(playbook, inputs)
    if problems:
        raise PlaybookError(problems)
    before = RoutineDefaults.objects.filter(playbook_id=playbook.id).first()
    if (before.inputs if before else {}) == inputs:
        return None
    row = RoutineDefaults.objects.create(
        tenant_id=scope.require_tenant_id(),
        playbook_id=playbook.id,
        inputs=dict(inputs),
        actor=actor,
    )
    ledger.append(
        "routine.defaults_set",
        actor=actor,
        subject=playbook.title,
        body={"playbook": playbook.id, "inputs": row.inputs},
    )
    return row


def checked(playbook: Playbook, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs with the defaults; PlaybookError lists what is wrong with them."""
    problems = _problems(playbook, given)
    found = {**defaults(playbook), **{k: v for k, v in given.items() if v is not None}}
    problems += [
        f"The input {name!r} is missing: {told.title}."
        for name, told in playbook.inputs.items()
        if told.is_required and found.get(name, "") in _NOTHING
    ]
    if problems:
        raise PlaybookError(problems)
    return found


def _problems(playbook: Playbook, given: Mapping[str, Any]) -> list[str]:
    known = playbook.inputs
    problems = [
        f"{playbook.id} takes no input {name!r}; it takes: {', '.join(known) or 'none'}."
        for name in given
        if name not in known
    ]
    return problems + [
        f"The input {name!r} is {given[name]!r}, not of the type {told.type}."
        for name, told in known.items()
        if given.get(name) is not None and not _is_of_type(given[name], told)
    ]


def _is_of_type(value: Any, told: PlaybookInput) -> bool:
    is_wrong_flag = isinstance(value, bool) and told.type != "boolean"
    return isinstance(value, INPUT_TYPES[told.type]) and not is_wrong_flag
