"""Users, and what the reports say of them, as accounts of the directory.

Sources: https://learn.microsoft.com/graph/api/resources/user,
/graph/api/resources/userregistrationdetails.
"""

from typing import Any

from integrations.connectors.microsoft365.normalise.privileged import is_privileged
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import DirectoryItem

_SHARED_PURPOSES = frozenset({"shared", "room", "equipment"})
_TEXTS = {
    "displayName": "display_name",
    "mail": "email",
    "jobTitle": "job_title",
    "onPremisesSecurityIdentifier": "on_premises_sid",
}
_OTHERS = {
    "department": "department",
    "companyName": "company",
    "mobilePhone": "mobile_phone",
    "usageLocation": "usage_location",
    "employeeType": "employee_type",
    "creationType": "creation_type",
    "externalUserState": "external_user_state",
    "onPremisesSamAccountName": "on_premises_sam_account_name",
    "onPremisesDomainName": "on_premises_domain",
    "onPremisesDistinguishedName": "on_premises_distinguished_name",
    "onPremisesImmutableId": "immutable_id",
}
_TIMES = {
    "createdDateTime": "created_at",
    "lastPasswordChangeDateTime": "last_password_change",
    "signInSessionsValidFromDateTime": "sessions_valid_from",
    "onPremisesLastSyncDateTime": "last_directory_sync",
}


def user(record: Fields, named: str = "") -> DirectoryItem:
    """Return one user. Only what the record tells is set.

    `kind` follows documented fields only, the first that tells: userPurpose shared, room or
    equipment → shared; userType Guest, or "#EXT#" in the userPrincipalName where the type isn't
    told → guest (https://learn.microsoft.com/entra/external-id/user-properties); userType Member →
    member. Service accounts can't be told from people by any field of Graph, so none is guessed.
    A record without id is kept under the id that its address names (`named`), else under its
    userPrincipalName, which Graph takes in place of the id.
    """
    upn = record.text("userPrincipalName")
    external_id = record.text("id") or named or upn
    if not external_id:
        raise Quarantine(
            "missing_id",
            "The user has neither id nor userPrincipalName: export it again with $select=id.",
        )
    name = upn or record.text("mail", "displayName") or external_id
    if "@removed" in record:
        return DirectoryItem("account", external_id, name, is_deleted=True)
    attributes: dict[str, Any] = {"username": upn} if upn else {}
    for theirs, ours in (_TEXTS | _OTHERS).items():
        if theirs in record:
            attributes[ours] = record.text(theirs)
    if "proxyAddresses" in record:
        attributes["aliases"] = _aliases(record)
    for theirs, ours in _TIMES.items():
        if record.time(theirs) is not None:
            attributes[ours] = record.time(theirs)
    attributes |= _states(record) | _kind(record, upn) | _roles(record)
    return DirectoryItem(
        kind="account",
        external_id=external_id,
        name=name,
        attributes=attributes,
        is_deleted=record.time("deletedDateTime") is not None,
    )


def _aliases(record: Fields) -> list[str]:
    """Addresses at which mail reaches the user: ``smtp:`` of proxyAddresses, the main one too."""
    found = (one.partition(":") for one in record.texts("proxyAddresses"))
    return sorted({address.lower() for kind, _, address in found if kind.lower() == "smtp"})


def _states(record: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if record.truth("accountEnabled") is not None:
        found["is_enabled"] = record.truth("accountEnabled")
    if isinstance(record.body.get("assignedLicenses"), list):
        found["is_licensed"] = bool(record.body["assignedLicenses"])
        skus = [licence.text("skuId") for licence in record.objects("assignedLicenses")]
        found["licences"] = [sku for sku in skus if sku]
    if "onPremisesSyncEnabled" in record:
        # null: never synchronised (https://learn.microsoft.com/graph/api/resources/user).
        is_synced = record.truth("onPremisesSyncEnabled") is True
        found["source_of_authority"] = "active_directory" if is_synced else "cloud"
    seen = record.nested("signInActivity").time("lastSuccessfulSignInDateTime",
                                                "lastSignInDateTime")  # fmt: skip
    if seen is not None:
        found["last_sign_in"] = seen
    return found


def _kind(record: Fields, upn: str) -> dict[str, str]:
    settings = record.nested("mailboxSettings")
    purpose = settings.nested("userPurpose").word("value") or settings.word("userPurpose")
    told = {"mailbox_purpose": purpose} if purpose else {}
    if purpose in _SHARED_PURPOSES:
        return told | {"kind": "shared"}
    user_type = record.word("userType")
    if user_type == "guest" or (not user_type and "#ext#" in upn.lower()):
        return told | {"kind": "guest"}
    return told | ({"kind": "member"} if user_type == "member" else {})


def _roles(record: Fields) -> dict[str, Any]:
    if "memberOf" not in record and "transitiveMemberOf" not in record:
        return {}
    held = [
        group
        for group in record.objects("transitiveMemberOf", "memberOf")
        if "directoryrole" in group.word("@odata.type") or group.has_any("roleTemplateId")
    ]
    names = sorted({role.text("displayName") for role in held if role.text("displayName")})
    privileged = any(
        is_privileged(role.text("roleTemplateId"), role.text("displayName")) for role in held
    )
    return {"roles": names, "is_privileged": privileged}


def registration(record: Fields) -> DirectoryItem:
    """Return what the registration report says of one account: whether MFA is set up."""
    external_id = record.text("id", "userPrincipalName")
    if not external_id:
        raise Quarantine("missing_id", "The registration report's row has no id: export it again.")
    upn = record.text("userPrincipalName")
    attributes: dict[str, Any] = {"username": upn} if upn else {}
    if record.truth("isMfaRegistered") is not None:
        attributes["is_mfa_registered"] = record.truth("isMfaRegistered")
    if record.text("userDisplayName"):
        attributes["display_name"] = record.text("userDisplayName")
    attributes["methods_registered"] = record.texts("methodsRegistered")
    if record.word("userType") in {"guest", "member"}:
        attributes["kind"] = record.word("userType")
    return DirectoryItem("account", external_id, upn or external_id, attributes=attributes)
