"""From a record to what it is: the normaliser of every feed."""

from collections.abc import Callable, Mapping
from typing import Any

from integrations.connectors.microsoft365.normalise import (
    accounts,
    alerts,
    audit,
    azure,
    mail,
    objects,
    risk,
    shapes,
    sign_ins,
    unified,
)
from integrations.connectors.microsoft365.normalise.resources import (
    MEMBERS,
    OTHER,
    REGISTRATIONS,
    ROWS,
    Resource,
    resource_of,
)
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import Normalised, SourceRecord

_ENVELOPE_ONLY = frozenset({"@odata.context", "@odata.etag", "@odata.id", "@odata.type"})

# A kind's normaliser gets the record, the address it came from, and the user it belongs to.
Read = Callable[[Fields, Resource, Mapping[str, Any]], Normalised]

_READERS: Mapping[str, Read] = {
    "alerts": lambda r, at, c: alerts.alert(r),
    "incidents": lambda r, at, c: alerts.incident(r),
    "sign_ins": lambda r, at, c: sign_ins.sign_in(r),
    "risk_detections": lambda r, at, c: risk.risk_detection(r),
    "risky_users": lambda r, at, c: risk.risky_user(r, as_account=c.get("as") == "account"),
    "directory_audit": lambda r, at, c: audit.directory_audit(r),
    "unified_audit": lambda r, at, c: unified.unified_audit(r),
    "users": lambda r, at, c: accounts.user(r, _named_user(at)),
    "roles": lambda r, at, c: objects.role(r),
    "groups": lambda r, at, c: objects.group(r),
    "auth_methods": lambda r, at, c: objects.auth_method(r, _owner(at, c), at.path),
    "inbox_rules": lambda r, at, c: mail.inbox_rule(r, _owner(at, c)),
    "mailbox_settings": lambda r, at, c: _settings(r, _owner(at, c), c),
    "oauth_grants": lambda r, at, c: objects.oauth_grant(r),
    "service_principals": lambda r, at, c: objects.service_principal(r),
    "policies": lambda r, at, c: objects.policy(r, at.path),
    "message_trace": lambda r, at, c: mail.message_trace(r),
    "azure_activity": lambda r, at, c: azure.activity(r),
    shapes.REGISTRATION: lambda r, at, c: accounts.registration(r),
    shapes.MAILBOX: lambda r, at, c: mail.mailbox(r),
    shapes.HUNTING: lambda r, at, c: unified.hunting_row(r),
    shapes.ALERT_EVIDENCE: lambda r, at, c: unified.alert_evidence(r),
}
# What a record must show before an unnamed one is believed to be of the feed it was given as.
_PLAUSIBLE = {
    "incidents": ("displayName", "Title", "severity", "status", "alerts"),
    "auth_methods": ("id",),
    "inbox_rules": ("actions", "conditions", "isEnabled", "Enabled", "displayName", "Name"),
    "oauth_grants": ("clientId", "scope", "appRoleId", "consentType", "principalId"),
    "users": ("userPrincipalName", "displayName", "mail", "id", "@removed"),
    "mailbox_settings": ("value", "timeZone", "language", "dateFormat", "timeFormat",
                         "archiveFolder", "delegateMeetingMessageDeliveryOptions"),
    "service_principals": ("appId", "displayName", "servicePrincipalNames", "@removed"),
    "groups": ("displayName", "mail", "description", "members", "@removed"),
    "azure_activity": ("operationName", "OperationNameValue", "resourceId"),
    "roles": ("displayName", "roleDefinitionId", "principalId", "@removed"),
}  # fmt: skip


# What an address names, where that is not a feed; "" leaves it to the record.
_NAMED = {MEMBERS: "", ROWS: "", OTHER: "", REGISTRATIONS: shapes.REGISTRATION}


def normaliser(feed: str) -> Callable[[SourceRecord], Normalised]:
    """Return the normaliser of a feed.

    A record that shows itself to be of another feed is read as what it is.
    """
    if feed not in _READERS:
        raise KeyError(feed)

    def normalise(record: SourceRecord) -> Normalised:
        return _normalise(feed, record)

    return normalise


def _normalise(feed: str, record: SourceRecord) -> Normalised:
    refused = record.context.get("quarantine")
    if isinstance(refused, Mapping):
        raise Quarantine(str(refused.get("code")), str(refused.get("reason")))
    if not isinstance(record.body, Mapping):
        raise Quarantine("not_an_object", "The record is no JSON object. Check the file.")
    if not set(map(str, record.body)) - _ENVELOPE_ONLY:
        raise Quarantine("empty_record", "The record is empty: the vendor gave no field of it.")
    _refuse_error(record.body)
    at = _place(record)
    shape = shapes.shape_of(record.body)
    kind = _kind(feed, shape, at)
    return _READERS[kind](shape.fields, at, record.context)


def _place(record: SourceRecord) -> Resource:
    """Where the record was read from: by its address, else by what the answer says of itself."""
    told = resource_of(str(record.body.get("@odata.context") or ""))
    url = str(record.context.get("url") or "")
    at = resource_of(url) if url else told
    # An action such as assignLicense answers with the user that it changed.
    return told if at.feed == OTHER and told.feed not in {"", OTHER, MEMBERS} else at


def _kind(feed: str, shape: shapes.Shape, at: Resource) -> str:
    named = _NAMED.get(at.feed, at.feed)
    is_typed = shape.fields.has_any("@odata.type", "at_sign_odata_type")
    # The address knows best what it serves, unless the record carries its type.
    if at.feed == OTHER and not (is_typed and shape.kind in _READERS):
        raise Quarantine(
            "other_resource",
            f"An answer of {at.path or 'another service'} is nothing that the feed {feed} takes.",
        )
    if named and not (is_typed and shape.kind in _READERS):
        return named
    if shape.kind == shapes.FOREIGN:
        raise Quarantine(
            "other_product",
            f"The record is of another kind than this connector's feeds ({_hint(shape.fields)}): "
            "take it in with the connector of its product.",
        )
    if shape.kind:
        return shape.kind
    if at.feed == ROWS:
        raise Quarantine(
            "not_recognised",
            f"The query's row ({_hint(shape.fields)}) tells no activity: add ActionType and "
            "ReportId to the query's columns.",
        )
    if at.feed == MEMBERS:
        raise Quarantine(
            "untyped_member", "The member doesn't say whether it is a user, a group or a device."
        )
    _must_be_plausible(feed, shape.fields)
    return feed


def _must_be_plausible(feed: str, fields: Fields) -> None:
    signs = _PLAUSIBLE.get(feed)
    if signs and not any(sign in fields for sign in signs):
        raise Quarantine(
            "not_recognised",
            f"Nothing in the record shows that it belongs to {feed} (it has {_hint(fields)}). "
            "Check the connector and the feed.",
        )


def _hint(fields: Fields) -> str:
    return ", ".join(sorted(map(str, fields.body))[:5])


def _refuse_error(body: Mapping[str, Any]) -> None:
    error = body.get("error")
    if isinstance(error, Mapping) and error.get("code") is not None and len(body) <= 2:
        raise Quarantine(
            "error_answer",
            f"An error of Microsoft instead of a record: {str(error.get('code'))[:80]}: "
            f"{str(error.get('message'))[:200]}",
        )
    if "access_token" in body or {"error", "error_description"} <= set(body):
        raise Quarantine("token_answer", "An answer of the sign-in service, not a record.")


def _named_user(at: Resource) -> str:
    """The user whom the address names, for an answer that leaves out the id."""
    return at.user_id if at.feed == "users" and "{" not in at.user_id else ""


def _settings(record: Fields, owner: str, context: Mapping[str, Any]) -> Normalised:
    if context.get("as") == "mailbox":
        return mail.mailbox_of_settings(record, owner, str(context.get("address") or ""))
    if context.get("as") == "delegates":
        return mail.delegates(record, owner, str(context.get("address") or ""))
    return mail.mailbox_settings(record, owner)


def _owner(at: Resource, context: Mapping[str, Any]) -> str:
    return str(context.get("user_id") or at.user_id or "")
