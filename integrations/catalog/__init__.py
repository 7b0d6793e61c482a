"""The actions that exist. Connectors implement them; playbooks name them, never vendors.

D3FEND ids are MITRE's (https://d3fend.mitre.org). `settle_seconds` is how long a vendor may show
the old state after a change, `verify_within_seconds` when an unseen effect counts as failed.
"""

import difflib

from integrations.catalog.action import OF_A_DEVICE, CatalogAction, InputType, Listed, TargetKind
from integrations.catalog.endpoint_actions import ENDPOINT_ACTIONS
from integrations.catalog.identity_actions import IDENTITY_ACTIONS
from integrations.catalog.mail_actions import MAIL_ACTIONS
from integrations.catalog.management_actions import MANAGEMENT_ACTIONS
from integrations.catalog.questions import QUESTIONS
from integrations.errors import UnknownAction

__all__ = [
    "ACTIONS",
    "OF_A_DEVICE",
    "CatalogAction",
    "InputType",
    "Listed",
    "TargetKind",
    "a",
    "get",
]

ACTIONS: tuple[CatalogAction, ...] = (
    *QUESTIONS,
    *IDENTITY_ACTIONS,
    *MAIL_ACTIONS,
    *ENDPOINT_ACTIONS,
    *MANAGEMENT_ACTIONS,
)

_BY_NAME = {action.name: action for action in ACTIONS}


def get(name: str) -> CatalogAction:
    """Return the action of that name; UnknownAction lists the nearest names."""
    try:
        return _BY_NAME[name]
    except KeyError:
        room = sorted(one for one in _BY_NAME if one.startswith(name.split(".")[0] + "."))
        near = difflib.get_close_matches(name, _BY_NAME, n=4) or room or sorted(_BY_NAME)
        raise UnknownAction(
            f"The catalog has no action {name!r}. Near it: {', '.join(near)}."
        ) from None


def a(kind: str) -> str:
    """Return a kind of target with its article, as messages name it."""
    return f"{'an' if kind[0] in 'aeio' else 'a'} {kind.replace('_', ' ')}"
