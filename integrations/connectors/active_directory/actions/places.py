"""Moving an account into the organisational unit for quarantine, and back.

The unit's policies then hold for the account, and the delegated rights of its former place don't.
Source: [MS-ADTS] 3.1.1.5.4 (Modify DN).
"""

from dataclasses import dataclass

from integrations.connectors.active_directory import ids
from integrations.connectors.active_directory.actions.targets import named
from integrations.connectors.active_directory.answers import Asked, missing
from integrations.connectors.active_directory.client import DirectoryClient
from integrations.connectors.active_directory.entries import Entry, guid, text
from integrations.connectors.active_directory.permissions import MOVE, READ
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected
from integrations.values import Fields


@dataclass(frozen=True, slots=True)
class MoveToQuarantine:
    """Move the account into the connection's quarantine unit."""

    name: str = "identity.quarantine_account"
    permissions: tuple[str, ...] = (MOVE, READ)

    def snapshot(self, client: DirectoryClient, intention: Intention) -> Json:
        """Where the account is now, and whether that is the quarantine."""
        _, place = _where(client, intention)
        return _kept(place, _quarantine(client))

    def call(self, client: DirectoryClient, intention: Intention) -> Json:
        """Move it, unless it is there already."""
        account, place = _where(client, intention)
        quarantine = _quarantine(client)
        if guid(place) != guid(quarantine):
            client.move(account, _name(quarantine), MOVE)
        return {"in_quarantine": True}

    def read_back(self, client: DirectoryClient, intention: Intention) -> ReadBack:
        """Read where it is."""
        _, place = _where(client, intention)
        return _seen(place, guid(place) == guid(_quarantine(client)))

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The former place; None where it was in quarantine before."""
        told = Fields(intention.snapshot)
        if told.truth("in_quarantine") is not False:
            return None
        return {"place": {"id": told.text("place"), "name": told.text("place_name")}}


@dataclass(frozen=True, slots=True)
class MoveBack:
    """Move the account from the quarantine unit to its former place."""

    name: str = "identity.restore_account_place"
    permissions: tuple[str, ...] = (MOVE, READ)

    def snapshot(self, client: DirectoryClient, intention: Intention) -> Json:
        """Where the account is now, and whether that is the quarantine."""
        _, place = _where(client, intention)
        return _kept(place, _quarantine(client))

    def call(self, client: DirectoryClient, intention: Intention) -> Json:
        """Move it, if it is still where we left it."""
        account, place = _where(client, intention)
        wanted = self._wanted(client, intention)
        if guid(place) != guid(wanted):
            if guid(place) != guid(_quarantine(client)):
                raise Rejected(
                    f"{intention.target.name} is no longer in quarantine: somebody has moved it."
                )
            client.move(account, _name(wanted), MOVE)
        return {"in_quarantine": False}

    def read_back(self, client: DirectoryClient, intention: Intention) -> ReadBack:
        """Read where it is."""
        _, place = _where(client, intention)
        return _seen(place, guid(place) == guid(self._wanted(client, intention)))

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        return {} if Fields(intention.snapshot).truth("in_quarantine") else None

    def _wanted(self, client: DirectoryClient, intention: Intention) -> Entry:
        identity = Fields(intention.inputs).nested("place").text("id")
        name = ids.name_of(identity)
        if not name:
            raise Rejected("The former place of the account is not known: move it by hand.")
        return _place(client, name)


def _where(client: DirectoryClient, intention: Intention) -> tuple[str, Entry]:
    """Return the account's distinguished name, and the object that it is in."""
    entry = client.read(named(intention.target), "distinguishedName", "objectGUID", permission=READ)
    name = _name(entry)
    try:
        return name, _place(client, ids.first_part(name)[1])
    except NotFound:
        # It is there, since the account is in it.
        raise missing(Asked("read the account's place", READ)) from None


def _place(client: DirectoryClient, name: str) -> Entry:
    return client.read(name, "distinguishedName", "objectGUID", permission=READ)


def _quarantine(client: DirectoryClient) -> Entry:
    if not client.quarantine:
        raise Rejected(
            "This connection names no organisational unit for quarantine: enter quarantine_ou."
        )
    try:
        return _place(client, ids.name_of(client.quarantine) or client.quarantine)
    except NotFound:
        raise Rejected(
            "The organisational unit for quarantine does not exist: correct quarantine_ou."
        ) from None


def _name(entry: Entry) -> str:
    return text(entry, "distinguishedName")


def _kept(place: Entry, quarantine: Entry) -> Json:
    return {
        "place": guid(place),
        "place_name": _name(place),
        "in_quarantine": guid(place) == guid(quarantine),
    }


def _seen(place: Entry, holds: bool) -> ReadBack:
    return ReadBack(
        holds=holds,
        observed={"place": guid(place), "place_name": _name(place)},
        explanation=f"Active Directory shows the account in {ids.first_part(_name(place))[0]}.",
    )
