"""What a normaliser makes of a vendor's record: pure data, no database.

A connector's normalisers return exactly one of these for each record, or raise
`tenants.errors.Quarantine`. OCSF is version 1.8.0 (https://schema.ocsf.io/1.8.0).
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

# By so many entities at most an event or a finding is found; its document names all.
MOST_ENTITIES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Event:
    """A telemetry record, such as a sign-in.

    `uid` is the vendor's id (or a hash of the content, where it has none); `entities` are
    ``kind:value`` strings in lower case (``account:…``, ``ip:…``, ``message:…``,
    ``device:HOSTNAME``, ``device_id:CONNECTOR:ID``) by which events and findings find each other.
    """

    uid: str
    class_uid: int
    activity: str
    time: dt.datetime
    ocsf: Mapping[str, Any]
    severity_id: int = 1
    is_success: bool | None = None
    actor: str = ""
    target: str = ""
    source_ip: str = ""
    country: str = ""
    entities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A vendor's alert. `confidence` is percent, None where the vendor doesn't say.

    `is_company_wide`: the record says that it tells of a change that holds for the whole company.
    """

    uid: str
    class_uid: int
    title: str
    time: dt.datetime
    severity_id: int
    ocsf: Mapping[str, Any]
    description: str = ""
    category: str = ""
    first_activity_at: dt.datetime | None = None
    last_activity_at: dt.datetime | None = None
    confidence: int | None = None
    vendor_status: str = ""
    vendor_verdict: str = ""
    techniques: tuple[str, ...] = ()
    actor: str = ""
    target: str = ""
    entities: tuple[str, ...] = ()
    link: str = ""
    is_company_wide: bool = False


DirectoryKind = Literal[
    "account",
    "device",
    "mailbox",
    "role",
    "role_assignment",
    "group",
    "auth_method",
    "inbox_rule",
    "mailbox_settings",
    "mailbox_delegates",
    "oauth_grant",
    "service_principal",
    "policy",
    "organisation",
    "software",
    "vulnerability",
    "patch",
    "domain",
]


@dataclass(frozen=True, slots=True)
class DirectoryItem:
    """Something the directory holds. Only the attributes that the record told are set.

    For kind ``account`` the attributes are fields of `tenants.models.Account` (username, email,
    display_name, kind, is_enabled, is_licensed, source_of_authority, on_premises_sid, job_title,
    is_mfa_registered, risk_level …) and anything else is kept beside them. People are made by
    ``immutable_id`` (the id by which a synchronisation knows the account at its source),
    ``sync_anchor`` (the same at that source), ``former_sids``, ``user_principal_name`` and
    ``aliases``; ``is_vip``, ``criticality``, ``last_sign_in`` and ``created_at`` are told of them.
    A device tells its ``users`` (addresses), ``user_principal_name`` or ``last_user``, and
    ``last_seen_at``. `parent` is the external id of the account it belongs to (an inbox rule's
    mailbox owner); `is_deleted` marks what the provider says is gone.
    """

    kind: DirectoryKind
    external_id: str
    name: str = ""
    parent: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    is_deleted: bool = False


Normalised = Event | Finding | DirectoryItem


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A record as it came, and what came beside it: the `url` it was read from, the `user_id`."""

    body: Mapping[str, Any]
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes that are no record at all, such as a broken line: kept in quarantine."""

    body: bytes
    code: str
    reason: str
