"""What goes wrong with a vendor, in plain words with the fix. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from integrations import catalog
from integrations.contract import Manifest
from integrations.errors import (
    ConnectionMisconfigured,
    OrganisationChanged,
    OrganisationTaken,
    OwnAddressUnknown,
    PermissionMissing,
    Throttled,
    Unauthorised,
    Unavailable,
)
from integrations.models import Problem
from tenants.errors import HoldfastError, VaultError


class Told(NamedTuple):
    """What is wrong, and what to do about it."""

    words: str
    fix: str


_CLASSES: Final[tuple[tuple[type[HoldfastError], Problem], ...]] = (
    (Throttled, Problem.THROTTLED),
    (Unauthorised, Problem.CREDENTIALS),
    (VaultError, Problem.CREDENTIALS),
    (PermissionMissing, Problem.PERMISSION),
    (Unavailable, Problem.UNAVAILABLE),
    (OrganisationTaken, Problem.ORGANISATION),
    (OrganisationChanged, Problem.ORGANISATION),
    (OwnAddressUnknown, Problem.ADDRESS),
    (ConnectionMisconfigured, Problem.SETTINGS),
)
_TOLD: Final = {
    Problem.CREDENTIALS: Told(
        "The vendor refuses the credentials.",
        "Make new ones at the vendor and enter them on the connection's page.",
    ),
    Problem.PERMISSION: Told(
        "The vendor does not allow what is asked.",
        "Grant the permission at the vendor, or check what the client's licence includes.",
    ),
    Problem.SETTINGS: Told(
        "The connection's settings can't work.", "Correct them on the connection's page."
    ),
    Problem.ADDRESS: Told(
        "Deliveries are taken, but whether they can arrive is not tried: this installation does not"
        " know its own address.",
        "Set HOLDFAST_PUBLIC_URL in the environment of the workers, the scheduler and the web, and "
        "start them again.",
    ),
    Problem.ORGANISATION: Told(
        "The vendor says that this is not the organisation that it should be.",
        "Find out whose it is: correct the connection's settings, or say there that it replaces "
        "the organisation before.",
    ),
    Problem.THROTTLED: Told(
        "The vendor asks to wait.",
        "Nothing to do: it goes on by itself. Where it lasts for hours, find out what else asks "
        "with the same credentials.",
    ),
    Problem.UNAVAILABLE: Told(
        "The vendor can't be reached, or fails.",
        "It is tried again by itself. Where it lasts, look at the vendor's status page and at this "
        "machine's way to the internet.",
    ),
    Problem.REFUSED: Told(
        "The vendor refuses the question as it is asked.",
        "Trying again won't help: compare the settings with the client's account at the vendor, "
        "then report it with the text of the error.",
    ),
}
# These need a person: waiting doesn't help.
FOR_A_PERSON: Final = frozenset(
    {
        Problem.CREDENTIALS,
        Problem.PERMISSION,
        Problem.SETTINGS,
        Problem.REFUSED,
        Problem.ORGANISATION,
        Problem.ADDRESS,
    }
)


def problem_of(error: HoldfastError) -> Problem:
    """Return what kind of thing an error is."""
    return next((kind for cls, kind in _CLASSES if isinstance(error, cls)), Problem.REFUSED)


def told(problem: str) -> Told:
    """Return a problem in words with its fix; nothing where there is none."""
    return _TOLD[Problem(problem)] if problem else Told("", "")


def needed(manifest: Manifest) -> dict[str, list[str]]:
    """Return each permission that the connector uses, with the titles of what needs it.

    What is only read from files needs none.
    """
    found: dict[str, list[str]] = {}
    for feed in manifest.feeds:
        for name in feed.permissions if feed.fetch is not None else ():
            found.setdefault(name, []).append(feed.title)
    for actions in (manifest.actions, manifest.gatherers):
        for action in actions:
            for name in action.permissions:
                found.setdefault(name, []).append(catalog.get(action.name).title)
    return found


def named(permissions: Sequence[str], error: str) -> list[str]:
    """Return which of a feed's permissions a refusal names; all where it names none of them."""
    return [one for one in permissions if one in error] or list(permissions)


def grant_of(manifest: Manifest, permission: str) -> str:
    """Return what to do where a permission is missing."""
    known = {one.name: one.grant for one in manifest.permissions}
    return known.get(permission, f"Grant {permission} at the vendor.")
