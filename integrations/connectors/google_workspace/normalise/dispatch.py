"""From a record to what it is: the normaliser of every feed."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from integrations.connectors.google_workspace.normalise import (
    accounts,
    activities,
    alerts,
    devices,
    mail,
)
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import Normalised, SourceRecord

Read = Callable[[Fields, Mapping[str, Any]], Normalised]
FEEDS = ("users", "tokens", "activities", "alerts", "mail_settings")

_READERS: Mapping[str, Read] = {
    "user": lambda r, c: accounts.user(r, c.get("roles")),
    "token": lambda r, c: accounts.token(r, str(c.get("user_id") or "")),
    "role": lambda r, c: accounts.role(r),
    "roleassignment": lambda r, c: accounts.role_assignment(r),
    "group": lambda r, c: accounts.group(r),
    "domain": lambda r, c: accounts.organisation(r),
    "activity": lambda r, c: activities.activity(r),
    "alert": lambda r, c: alerts.alert(r),
    "filter": lambda r, c: mail.filter_(r, str(c.get("user_id") or "")),
    "settings": lambda r, c: _settings(r, c),
    "chromeosdevice": lambda r, c: devices.chromebook(r),
    "mobiledevice": lambda r, c: devices.phone(r),
    "device": lambda r, c: devices.computer(r),
}
# Google's `kind` of a resource, where it has one: admin#directory#user, admin#reports#activity.
_KIND = re.compile(r"(?:admin#(?:directory|reports)|audit|reports)#(\w+)")
# What tells a kind apart where nothing names it: all of the first names, one of the second.
_SIGNS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("activity", ("id",), ("events",)),
    ("activity", ("id", "name"), ("actor", "parameters", "ipAddress", "type")),
    ("alert", (), ("alertId",)),
    ("filter", ("id",), ("criteria", "action")),
    ("settings", (), ("autoForwarding", "forwardingAddresses", "delegates")),
    ("roleassignment", ("roleAssignmentId",), ()),
    ("role", ("roleId",), ("roleName",)),
    ("token", ("clientId",), ("scopes", "displayText", "userKey")),
    ("user", ("primaryEmail",), ()),
    ("device", ("name", "deviceType"), ()),
)
# What comes beside a record of an exported log or a rule's test.
_AROUND = ("rule", "test", "expected_match", "log_types")


def normaliser(feed: str) -> Callable[[SourceRecord], Normalised]:
    """Return the normaliser of a feed.

    A record that shows itself to be of another feed is read as what it is.
    """
    if feed not in FEEDS:
        raise KeyError(feed)

    def normalise(record: SourceRecord) -> Normalised:
        return _normalise(feed, record)

    return normalise


def _normalise(feed: str, record: SourceRecord) -> Normalised:
    refused = record.context.get("quarantine")
    if isinstance(refused, Mapping):
        raise Quarantine(str(refused.get("code")), str(refused.get("reason")))
    fields = opened(Fields(record.body))
    if not set(fields.body) - {"kind", "etag"}:
        raise Quarantine(
            "empty_record", "An answer of Google without any record: the list is empty."
        )
    _refuse_error(fields)
    kind = _kind(fields)
    if kind not in _READERS:
        hint = ", ".join(sorted(map(str, fields.body))[:5])
        raise Quarantine(
            "other_resource" if kind else "not_recognised",
            f"Nothing in the record shows that it belongs to {feed} (it has {hint}). "
            "Check the connector and the feed.",
        )
    return _READERS[kind](fields, record.context)


def opened(record: Fields) -> Fields:
    """A record without the envelope that a rule's test puts around it."""
    log = record.nested("log")
    return log if log.body and record.has_any(*_AROUND) else record


def _kind(record: Fields) -> str:
    found = _KIND.fullmatch(record.text("kind"))
    if found:
        return found[1].lower()
    for kind, every, some in _SIGNS:
        if record.has(*every) and (not some or record.has_any(*some)):
            return kind
    return ""


def _refuse_error(record: Fields) -> None:
    error = record.nested("error")
    if error.has("code") and len(record.body) == 1:
        raise Quarantine(
            "error_answer",
            f"An error of Google instead of a record: {error.text('code')}: "
            f"{error.text('message')[:200]}",
        )
    if record.has_any("access_token"):
        raise Quarantine("token_answer", "An answer of the token endpoint, not a record.")


def _settings(record: Fields, context: Mapping[str, Any]) -> Normalised:
    owner = str(context.get("user_id") or "")
    if context.get("as") == "mailbox":
        return mail.mailbox(record, owner, str(context.get("address") or ""))
    return mail.settings(record, owner)
