"""Gmail's filters, forwarding and delegates as items of the directory.

Sources: https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.settings.filters,
…/users.settings/getAutoForwarding, …/users.settings.delegates.
"""

from typing import Any

from integrations import ocsf
from integrations.mail_rules import Rule
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import DirectoryItem

_CRITERIA = ("from", "to", "subject", "query", "negatedQuery")
_NO_LABELS = frozenset({"TRASH", "SPAM"})


def filter_(record: Fields, owner: str) -> DirectoryItem:
    """Return one filter. Its id is unique in its mailbox only, so we know it as ``user/filter``."""
    filter_id = record.essential("id", what="filter")
    if not owner:
        raise Quarantine(
            "missing_owner",
            "A filter doesn't say whose it is: take it in with the address it was read from, "
            "/users/{id}/settings/filters (not /me).",
        )
    rule = rule_of(record)
    return DirectoryItem(
        kind="inbox_rule",
        external_id=f"{owner}/{filter_id}",
        name=name_of(record),
        parent=owner,
        attributes={
            "rule_id": filter_id,
            "is_enabled": True,
            "conditions": dict(record.nested("criteria").body),
            "actions": dict(record.nested("action").body),
            "forwards_to": list(rule.forwards_to),
            "deletes": rule.deletes,
        },
    )


def name_of(record: Fields) -> str:
    """A filter's name, which Gmail has none of: what it looks for and what it does."""
    criteria, action = record.nested("criteria"), record.nested("action")
    looks = [f"{name} {criteria.text(name)}" for name in _CRITERIA if criteria.text(name)]
    does = _does(action)
    return f"{', '.join(looks) or 'all mail'}: {', '.join(does) or 'nothing'}"[:200]


def _does(action: Fields) -> list[str]:
    added, removed = action.texts("addLabelIds"), action.texts("removeLabelIds")
    found = [f"forward to {action.text('forward')}"] if action.text("forward") else []
    found += ["delete"] if "TRASH" in added else []
    found += ["mark as spam"] if "SPAM" in added else []
    found += ["skip the inbox"] if "INBOX" in removed else []
    found += ["mark as read"] if "UNREAD" in removed else []
    found += ["never mark as spam"] if "SPAM" in removed else []
    labels = [label for label in added if label not in _NO_LABELS]
    return found + ([f"label {' '.join(labels)}"] if labels else [])


def rule_of(record: Fields) -> Rule:
    """A filter as `integrations.mail_rules` judges it.

    A mail that skips the inbox without a label is only in the archive, where nobody looks.
    """
    criteria, action = record.nested("criteria"), record.nested("action")
    added, removed = action.texts("addLabelIds"), action.texts("removeLabelIds")
    labels = [label for label in added if label not in _NO_LABELS]
    skips, deletes = "INBOX" in removed, "TRASH" in added
    is_archived = skips and not labels and not deletes
    folder = "Spam" if "SPAM" in added else "Archive" if is_archived else ""
    to = action.text("forward").lower()
    return Rule(
        name=None,
        forwards_to=(to,) if to else (),
        deletes=deletes,
        folder=folder,
        moves=bool(folder or skips),
        marks_read="UNREAD" in removed,
        looks_for=tuple(criteria.text(name) for name in _CRITERIA if criteria.text(name)),
        has_conditions=bool(criteria.body),
    )


def _forwarding(record: Fields) -> dict[str, Any]:
    told = record.nested("autoForwarding")
    is_on = told.truth("enabled") is True
    return {
        "forwarding_smtp_address": told.text("emailAddress") or None if is_on else None,
        "forwarding_disposition": told.text("disposition") if is_on else "",
    }


def settings(record: Fields, owner: str) -> DirectoryItem:
    """Return where a mailbox may send mail on to, and who else can open it."""
    _must_be_owned(owner)
    return DirectoryItem(
        kind="mailbox_settings",
        external_id=owner,
        parent=owner,
        attributes=_forwarding(record)
        | {
            "forwarding_addresses": [
                a.text("forwardingEmail") for a in record.objects("forwardingAddresses")
            ],
            "delegates": [d.text("delegateEmail") for d in record.objects("delegates")],
        },
    )


def mailbox(record: Fields, owner: str, address: str) -> DirectoryItem:
    """Return the mailbox that its settings show to exist."""
    _must_be_owned(owner)
    return DirectoryItem(
        "mailbox", owner, name=address, parent=owner,
        attributes=ocsf.filled(purpose="user") | _forwarding(record),
    )  # fmt: skip


def _must_be_owned(owner: str) -> None:
    if not owner:
        raise Quarantine(
            "missing_owner",
            "Mail settings don't say whose they are: take them in with the address they were read "
            "from, /users/{id}/settings (not /me).",
        )
