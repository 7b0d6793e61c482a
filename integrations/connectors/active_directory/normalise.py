"""From Active Directory's objects to accounts, groups, computers and policies. Pure.

Sources: [MS-ADTS] 2.2.16 (userAccountControl), [MS-ADA1] to [MS-ADA3] (attributes),
https://learn.microsoft.com/windows-server/identity/ad-ds/manage/understand-security-identifiers.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from integrations import ocsf
from integrations.connectors.active_directory import ids
from integrations.values import Fields, instant
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, SourceRecord

DISABLED = 0x2
PASSWORD_NOT_REQUIRED, PASSWORD_NEVER_EXPIRES = 0x20, 0x10000
SMART_CARD_REQUIRED, NO_PREAUTHENTICATION = 0x40000, 0x400000
_TRUST_ACCOUNT, _DOMAIN_CONTROLLER, _TRUSTED_FOR_DELEGATION = 0x800, 0x2000, 0x80000
_SECURITY_GROUP = 0x80000000
# Guest, krbtgt, DefaultAccount and Administrator: made by Windows, nobody's own.
_NOBODYS = frozenset({"500", "501", "502", "503"})
_MANY = frozenset(
    {
        "objectclass", "member", "memberof", "serviceprincipalname", "proxyaddresses",
        "sidhistory", "msds-allowedtodelegateto", "msds-psoappliesto",
    }
)  # fmt: skip
_GENERALISED = re.compile(r"(\d{14})(?:\.\d+)?Z")
_FILE_TIME = re.compile(r"-?\d{1,19}")
# No such date, or one that never comes ([MS-ADTS] 2.2.16 and [MS-ADA1] accountExpires).
_NEVER = frozenset({0, 0x7FFFFFFFFFFFFFFF})
_EPOCH = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)


def when(value: Any) -> dt.datetime | None:
    """Return a time of the directory in UTC; None for none, never and nonsense.

    GeneralizedTime (20260105093000.0Z), intervals of 100 ns since 1601, or ISO 8601 in exports.
    """
    text = str(value or "").strip()
    try:
        found = _GENERALISED.fullmatch(text)
        if found:
            return instant(dt.datetime.strptime(f"{found[1]}+0000", "%Y%m%d%H%M%S%z"))
        if _FILE_TIME.fullmatch(text):
            ticks = int(text)
            never = ticks in _NEVER or ticks < 0
            return None if never else _EPOCH + dt.timedelta(microseconds=ticks // 10)
        return instant(text)
    except (ValueError, OverflowError):
        return None


def file_time(moment: dt.datetime) -> int:
    """Return a time as intervals of 100 ns since 1601."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1) * 10


def days(value: Any) -> int | None:
    """Return a length of time as whole days: the directory has it as a negative number of 100 ns.

    None for never and nonsense.
    """
    try:
        ticks = int(str(value))
    except ValueError:
        return None
    return None if ticks >= 0 or ticks == -(2**63) else -ticks // 864_000_000_000


def told_by(body: Mapping[str, Any]) -> Fields:
    """Return an object's attributes; what has one value is no list any more."""
    inner = body.get("EntityResult")
    source = inner if isinstance(inner, Mapping) else body
    return Fields(
        {
            name: value[0]
            if isinstance(value, list) and value and str(name).lower() not in _MANY
            else value
            for name, value in source.items()
        }
    )


def user(record: SourceRecord) -> DirectoryItem:
    """An account; a record of the password policy comes with the users, whom it governs."""
    told = told_by(record.body)
    if _is_policy(told):
        return policy(record)
    identity = _identity(told, "user")
    name = told.text("sAMAccountName")
    domain = str(record.context.get("domain") or "")
    shown = f"{domain}\\{name}" if domain and name else told.text("userPrincipalName") or name
    if told.truth("isDeleted"):
        return DirectoryItem("account", identity, shown or identity, is_deleted=True)
    attributes: dict[str, Any] = {"source_of_authority": "active_directory"}
    for theirs, ours in (
        ("displayName", "display_name"), ("title", "job_title"), ("department", "department"),
        ("company", "company"), ("description", "description"),
        ("userPrincipalName", "user_principal_name"), ("distinguishedName", "distinguished_name"),
    ):  # fmt: skip
        if theirs in told:
            attributes[ours] = told.text(theirs)
    sid = ids.sid_of(told.text("objectSid"))
    attributes |= ocsf.filled(
        username=shown,
        email=told.text("mail") or told.text("userPrincipalName"),
        on_premises_sid=sid,
        former_sids=[one for one in map(ids.sid_of, told.texts("sIDHistory")) if one],
        sync_anchor=told.text("mS-DS-ConsistencyGuid"),
        aliases=_aliases(told),
        service_principal_names=told.texts("servicePrincipalName"),
        created_at=when(told.raw("whenCreated")),
        last_sign_in=when(told.raw("lastLogonTimestamp")),
        last_password_change=when(told.raw("pwdLastSet")),
        expires_at=when(told.raw("accountExpires")),
    )
    attributes |= _control(told) | _privilege(told, record.context)
    attributes["manager"] = _manager(told)
    attributes["kind"] = "service" if _is_nobodys(told, sid) else "member"
    return DirectoryItem("account", identity, shown or identity, attributes=attributes)


def _control(told: Fields) -> dict[str, Any]:
    flags = told.number("userAccountControl")
    if flags is None:
        return {}
    found: dict[str, Any] = {
        "is_enabled": not flags & DISABLED,
        "password_never_expires": bool(flags & PASSWORD_NEVER_EXPIRES),
        "password_not_required": bool(flags & PASSWORD_NOT_REQUIRED),
        "smart_card_required": bool(flags & SMART_CARD_REQUIRED),
        "no_preauthentication": bool(flags & NO_PREAUTHENTICATION),
        "is_locked": when(told.raw("lockoutTime")) is not None,
    }
    if told.has("pwdLastSet"):
        found["must_change_password"] = told.number("pwdLastSet") == 0
    return found


def _privilege(told: Fields, context: Mapping[str, Any]) -> dict[str, Any]:
    """Privilege is membership, where it is known; adminCount is only its trace."""
    marked = told.number("adminCount") == 1
    if "privileged_by" not in context:
        return {"admin_count": marked} | ({"is_privileged": True} if marked else {})
    held = [str(one) for one in context["privileged_by"]]
    return {
        "roles": held,
        "is_privileged": bool(held),
        "admin_count": marked,
        "admin_count_is_left_over": marked and not held,
    }


def _is_nobodys(told: Fields, sid: str) -> bool:
    """Accounts that Windows made, of other domains that are trusted, and managed for services."""
    classes = {one.lower() for one in told.texts("objectClass")}
    return (
        (sid.startswith("S-1-5-21-") and ids.relative_id(sid) in _NOBODYS)
        or bool((told.number("userAccountControl") or 0) & _TRUST_ACCOUNT)
        or bool(classes & {"msds-managedserviceaccount", "msds-groupmanagedserviceaccount"})
    )


def _manager(told: Fields) -> str:
    """The manager's GUID, or distinguished name where the record tells no GUIDs."""
    guid, _, name = ids.parted(told.text("manager")) if told.text("manager") else ("", "", "")
    return guid or name


def _aliases(told: Fields) -> list[str]:
    """Addresses at which mail reaches the account: ``smtp:`` of proxyAddresses."""
    found = (one.partition(":") for one in told.texts("proxyAddresses"))
    return sorted({address.lower() for kind, _, address in found if kind.lower() == "smtp"})


def group(record: SourceRecord) -> DirectoryItem:
    """A group, with its members by GUID where the record tells GUIDs."""
    told = told_by(record.body)
    identity = _identity(told, "group")
    name = told.text("sAMAccountName", "displayName") or identity
    if told.truth("isDeleted"):
        return DirectoryItem("group", identity, name, is_deleted=True)
    inside = [ids.parted(one) for one in told.texts("member")]
    kind = told.number("groupType")
    return DirectoryItem(
        "group",
        identity,
        name,
        attributes=ocsf.filled(
            description=told.text("description"),
            mail=told.text("mail"),
            sid=ids.sid_of(told.text("objectSid")),
            distinguished_name=told.text("distinguishedName"),
            is_security=None if kind is None else bool(kind & _SECURITY_GROUP),
            members=[guid or name for guid, _, name in inside],
            created_at=when(told.raw("whenCreated")),
        )
        | _privilege(told, record.context),
    )


def computer(record: SourceRecord) -> DirectoryItem:
    """A computer that has joined the domain."""
    told = told_by(record.body)
    identity = _identity(told, "computer")
    name = (told.text("dNSHostName") or told.text("sAMAccountName").rstrip("$")).lower()
    if told.truth("isDeleted"):
        return DirectoryItem("device", identity, name or identity, is_deleted=True)
    flags = told.number("userAccountControl") or 0
    system = " ".join(
        part for part in (told.text("operatingSystem"), told.text("operatingSystemVersion")) if part
    )
    is_controller = bool(flags & _DOMAIN_CONTROLLER)
    attributes = ocsf.filled(
        operating_system=system,
        sid=ids.sid_of(told.text("objectSid")),
        distinguished_name=told.text("distinguishedName"),
        description=told.text("description"),
        created_at=when(told.raw("whenCreated")),
        last_seen=when(told.raw("lastLogonTimestamp")),
        delegates_to=told.texts("msDS-AllowedToDelegateTo"),
    )
    attributes |= {
        "is_server": is_controller or "server" in system.lower(),
        "is_domain_controller": is_controller,
        "is_enabled": not flags & DISABLED,
        "is_trusted_for_delegation": bool(flags & _TRUSTED_FOR_DELEGATION) and not is_controller,
    }
    privilege = _privilege(told, record.context)
    return DirectoryItem("device", identity, name or identity, attributes=attributes | privilege)


def policy(record: SourceRecord) -> DirectoryItem:
    """The password policy of the domain, or a finer one of some accounts."""
    told = told_by(record.body)
    identity = _identity(told, "policy")
    is_finer = told.has("msDS-PasswordSettingsPrecedence")
    name = told.text("name") if is_finer else "Password policy of the domain"
    return DirectoryItem("policy", identity, name or identity, attributes=password_rules(told))


def password_rules(told: Fields) -> dict[str, Any]:
    """Return what a policy demands of passwords; lengths of time in days, None for never."""
    if told.has("msDS-PasswordSettingsPrecedence"):
        return {
            "kind": "password_policy",
            "precedence": told.number("msDS-PasswordSettingsPrecedence"),
            "minimum_length": told.number("msDS-MinimumPasswordLength"),
            "history": told.number("msDS-PasswordHistoryLength"),
            "is_complex": told.truth("msDS-PasswordComplexityEnabled"),
            "maximum_age_days": days(told.raw("msDS-MaximumPasswordAge")),
            "lockout_threshold": told.number("msDS-LockoutThreshold"),
            "applies_to": [ids.parted(one)[0] or one for one in told.texts("msDS-PSOAppliesTo")],
        }
    properties = told.number("pwdProperties")
    return {
        "kind": "password_policy",
        "minimum_length": told.number("minPwdLength"),
        "history": told.number("pwdHistoryLength"),
        # DOMAIN_PASSWORD_COMPLEX ([MS-SAMR] 2.2.3.5).
        "is_complex": None if properties is None else bool(properties & 1),
        "maximum_age_days": days(told.raw("maxPwdAge")),
        "lockout_threshold": told.number("lockoutThreshold"),
    }


def _is_policy(told: Fields) -> bool:
    return told.has("minPwdLength") or told.has("msDS-PasswordSettingsPrecedence")


def _identity(told: Fields, what: str) -> str:
    """The objectGUID, which is the object's for ever; a name is somebody else's tomorrow."""
    text = told.text("objectGUID")
    if not text:
        raise Quarantine(
            "missing_id",
            f"The {what} has no objectGUID, and a name is no identity: export it again with "
            "objectGUID and objectSid.",
        )
    found = ids.guid_of(text)
    if not found:
        raise Quarantine(
            "bad_id",
            "The objectGUID is no GUID: export the objects as they are, without masking.",
        )
    return found
