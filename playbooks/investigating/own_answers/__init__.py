"""What Holdfast itself can tell of a case, out of its own rows: asked where no vendor can tell.

An answer is kept as evidence like a vendor's. It reads the scope's tenant; of other clients only a
number is known (`elsewhere`).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from integrations.contract import Json
from playbooks.investigating.own_answers import (
    devices,
    elsewhere,
    employment,
    history,
    intelligence,
    sign_ins,
    telemetry,
    word,
)
from playbooks.investigating.own_answers.asked import NotTold
from tenants.models import Case

__all__ = ["ANSWERS", "ASKED_OF", "NotTold", "can_tell", "comes_first", "comes_last", "tell"]

Answer = Callable[[Case, Json], Json]

# Who is said to have been asked.
ASKED_OF = "Holdfast"
ANSWERS: Mapping[str, Answer] = MappingProxyType(
    {
        "case.list_past_cases": history.past_cases,
        "case.count_elsewhere": elsewhere.count,
        "identity.compare_sign_ins": sign_ins.compare,
        "endpoint.get_compliance": devices.compliance,
        "endpoint.list_logged_on_users": devices.logged_on_users,
        "endpoint.list_connections": telemetry.connections,
        "endpoint.list_remote_access_tools": telemetry.remote_access_tools,
        "indicator.list_matches": intelligence.matches,
        "person.get_word": word.word,
        "hr.get_employment": employment.state,
    }
)


# What people said of employment counts before what a vendor was told.
_FIRST = frozenset({"hr.get_employment"})
# What is known of an address that a vendor has only now told.
_LAST = frozenset({"indicator.list_matches"})


def comes_first(question: str) -> bool:
    """Whether Holdfast's own rows are asked before a vendor that can tell as well."""
    return question in _FIRST


def comes_last(question: str) -> bool:
    """Whether Holdfast's own answer also reads what vendors are asked at the same time."""
    return question in _LAST


def can_tell(question: str) -> bool:
    """Whether Holdfast's own rows answer a question."""
    return question in ANSWERS


def tell(question: str, case: Case, inputs: Json) -> Json:
    """Answer a question about `case`; NotTold says why there is no answer. Runs in its scope."""
    return ANSWERS[question](case, inputs)
