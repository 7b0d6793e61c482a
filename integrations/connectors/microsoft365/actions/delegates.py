"""Who else can open a mailbox, or send in its name: only Exchange Online knows.

Sources: https://learn.microsoft.com/powershell/module/exchange/get-mailboxpermission,
…/get-recipientpermission, …/set-mailbox (GrantSendOnBehalfTo).
"""

from dataclasses import asdict, dataclass, field

from integrations.connectors.microsoft365.actions.ids import owner_and_id
from integrations.connectors.microsoft365.client import GraphClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected
from integrations.values import Fields

_PERMISSIONS = ("Exchange.ManageAsApp",)
OPENS, SENDS_AS, SENDS_FOR = "full_access", "send_as", "send_on_behalf"
_KINDS = (OPENS, SENDS_AS, SENDS_FOR)
_FULL = ("FullAccess",)
# The owner, and accounts of Exchange itself.
_NOBODY = ("nt authority\\", "s-1-5-10", "nt service\\")


@dataclass(frozen=True, slots=True)
class Delegate:
    """What somebody may do with another's mailbox. `rights` are Exchange's words for `OPENS`."""

    kind: str
    who: str
    rights: tuple[str, ...] = field(default=_FULL)

    @property
    def id(self) -> str:
        """By what it is named within the mailbox."""
        return f"{self.kind}:{self.who}"


def delegates_of(client: GraphClient, mailbox_id: str) -> list[Delegate]:
    """Everybody who was given something; NotFound where there is no such mailbox."""
    identity = {"Identity": mailbox_id}
    found = client.exchange("Get-Mailbox", identity, is_read=True)
    if not found:
        raise NotFound("Exchange Online knows no such mailbox.")
    opens = map(Fields, client.exchange("Get-MailboxPermission", identity, is_read=True))
    sends = map(Fields, client.exchange("Get-RecipientPermission", identity, is_read=True))
    told = [
        *(
            Delegate(OPENS, one.text("User"), tuple(sorted(one.texts("AccessRights"))))
            for one in opens
            if not one.truth("IsInherited") and not one.truth("Deny")
        ),
        *(
            Delegate(SENDS_AS, one.text("Trustee"))
            for one in sends
            if not one.truth("IsInherited") and one.word("AccessControlType") != "deny"
        ),
        *(Delegate(SENDS_FOR, who) for who in Fields(found[0]).texts("GrantSendOnBehalfTo")),
    ]
    return [one for one in told if one.who and not one.who.lower().startswith(_NOBODY)]


def _place(client: GraphClient, intention: Intention) -> tuple[str, Delegate]:
    """The mailbox and the delegate: by the target, or by the input for a mailbox."""
    if intention.target.kind == "mailbox":
        who = str(intention.inputs.get("delegate") or "").strip()
        if "@" not in who:
            raise Rejected("delegate must be the e-mail address of a colleague.")
        return intention.target.external_id, Delegate(OPENS, _user_name(client, who))
    owner, own = owner_and_id(intention.target)
    kind, _, who = own.partition(":")
    if kind not in _KINDS or not who:
        raise Rejected(f"The target {own!r} names no delegate of a mailbox.")
    told = intention.inputs.get("delegate")
    rights = tuple(told.get("rights") or ()) if isinstance(told, dict) else ()
    return owner, Delegate(kind, who, rights or _FULL)


def _user_name(client: GraphClient, mail: str) -> str:
    """The name by which Exchange shows whoever has this address."""
    try:
        found = client.exchange("Get-Mailbox", {"Identity": mail}, is_read=True)
    except NotFound:
        return mail
    return Fields(found[0]).text("UserPrincipalName") or mail if found else mail


def _found(client: GraphClient, intention: Intention) -> Delegate | None:
    mailbox, wanted = _place(client, intention)
    # Reading alone is less than what is to be given.
    enough = set(_FULL) if intention.target.kind == "mailbox" else set()
    for one in delegates_of(client, mailbox):
        is_same = one.kind == wanted.kind and one.who.lower() == wanted.who.lower()
        if is_same and enough <= set(one.rights):
            return one
    return None


def _switch(client: GraphClient, mailbox: str, delegate: Delegate, *, is_given: bool) -> None:
    verb = "Add" if is_given else "Remove"
    common = {"Identity": mailbox, "Confirm": False}
    if delegate.kind == OPENS:
        parameters = {
            "User": delegate.who,
            "AccessRights": list(delegate.rights),
            "InheritanceType": "All",
        }
        client.exchange(f"{verb}-MailboxPermission", {**common, **parameters}, is_read=False)
    elif delegate.kind == SENDS_AS:
        parameters = {"Trustee": delegate.who, "AccessRights": ["SendAs"]}
        client.exchange(f"{verb}-RecipientPermission", {**common, **parameters}, is_read=False)
    else:
        others = [
            one.who
            for one in delegates_of(client, mailbox)
            if one.kind == SENDS_FOR and one.who.lower() != delegate.who.lower()
        ]
        after = [*others, delegate.who] if is_given else others
        client.exchange("Set-Mailbox", {**common, "GrantSendOnBehalfTo": after}, is_read=False)


@dataclass(frozen=True, slots=True)
class SwitchDelegate:
    """Give somebody access to a mailbox, or take it away."""

    name: str
    is_given: bool
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """What the delegate may do now; None where it is nothing."""
        found = _found(client, intention)
        return {"delegate": _kept(found) if found else None}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Give or take. What is so already is fine."""
        found = _found(client, intention)
        if (found is not None) is self.is_given:
            return {"was_so": True}
        mailbox, wanted = _place(client, intention)
        _switch(client, mailbox, wanted if found is None else found, is_given=self.is_given)
        return {"was_so": False}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Ask for the delegates again."""
        found = _found(client, intention)
        who = _place(client, intention)[1].who
        words = f"{who} has the access" if found else f"{who} hasn't got the access"
        return ReadBack(
            (found is not None) is self.is_given,
            {"delegate": _kept(found) if found else None},
            f"Exchange shows that {words}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        before = intention.snapshot.get("delegate")
        if (before is not None) is self.is_given:
            return None
        if intention.target.kind == "mailbox":
            return {"delegate": intention.inputs["delegate"]}
        return {} if self.is_given else {"delegate": before}


def _kept(delegate: Delegate) -> Json:
    return {**asdict(delegate), "rights": list(delegate.rights)}
