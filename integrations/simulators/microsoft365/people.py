"""Records of people and what belongs to them, in the shapes of Graph."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations.simulators.base.store import Record, stable_id

from .graph import instant
from .methods import PASSWORD_METHOD_ID, PHONE_IDS

BUSINESS_PREMIUM = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"  # skuId of SPB, the same everywhere

NAMES = [
    ("Anna", "Berg", "Practice Manager", "Management"),
    ("Tom", "Okafor", "Accountant", "Finance"),
    ("Priya", "Shah", "Accounts Payable", "Finance"),
    ("Marta", "Kowalska", "Office Administrator", "Operations"),
    ("James", "Whitfield", "Partner", "Management"),
    ("Lucía", "Fernández", "Receptionist", "Front Desk"),
    ("Daniel", "Meyer", "Project Lead", "Delivery"),
    ("Sofia", "Lindqvist", "Hygienist", "Clinical"),
    ("Omar", "Haddad", "Associate", "Clinical"),
    ("Grace", "Nolan", "Paralegal", "Legal"),
    ("Pieter", "de Vries", "Sales Executive", "Sales"),
    ("Hannah", "Clarke", "HR Partner", "People"),
    ("Yusuf", "Demir", "Technician", "Operations"),
    ("Elena", "Rossi", "Marketing Lead", "Sales"),
    ("Noah", "Schmidt", "Analyst", "Finance"),
    ("Chloe", "Martin", "Assistant", "Management"),
]


@dataclass(frozen=True)
class Place:
    """Somewhere people sign in from."""

    city: str
    state: str
    country: str
    latitude: float
    longitude: float
    network: str

    def location(self) -> Record:
        """The place as Graph's signInLocation."""
        return {
            "city": self.city,
            "state": self.state,
            "countryOrRegion": self.country,
            "geoCoordinates": {
                "altitude": None,
                "latitude": self.latitude,
                "longitude": self.longitude,
            },
        }


# Addresses are from the networks reserved for documentation (RFC 5737, RFC 3849).
OFFICES = {
    "GB": Place("Bristol", "England", "GB", 51.4545, -2.5879, "203.0.113."),
    "US": Place("Columbus", "Ohio", "US", 39.9612, -82.9988, "203.0.113."),
    "DE": Place("Leipzig", "Sachsen", "DE", 51.3397, 12.3731, "203.0.113."),
}
ATTACKER = Place("Lagos", "Lagos", "NG", 6.5244, 3.3792, "198.51.100.")
HOLIDAY = Place("Lisbon", "Lisboa", "PT", 38.7223, -9.1393, "2001:db8:351::")
ANONYMISER = Place("Chisinau", "Chisinau", "MD", 47.0105, 28.8638, "192.0.2.")
BROWSERS = ["Edge 142.0.0", "Chrome 142.0.0", "Safari 26.1"]
SYSTEMS = ["Windows11", "Windows11", "MacOs"]


def user_record(
    tenant_id: str, domain: str, name: tuple[str, str], title: str, department: str, when: datetime
) -> Record:
    """A licensed member who works with a mailbox."""
    given, surname = name
    nickname = _ascii(f"{given}.{surname}")
    uid = stable_id(tenant_id, "user", nickname)
    address = f"{nickname}@{domain}"
    created = instant(when)
    return {
        "id": uid,
        "accountEnabled": True,
        "assignedLicenses": [{"disabledPlans": [], "skuId": BUSINESS_PREMIUM}],
        "assignedPlans": [],
        "businessPhones": [],
        "city": None,
        "companyName": None,
        "country": None,
        "createdDateTime": created,
        "creationType": None,
        "deletedDateTime": None,
        "department": department,
        "displayName": f"{given} {surname}".strip(),
        "employeeId": None,
        "employeeType": "Employee",
        "employeeLeaveDateTime": None,
        "externalUserState": None,
        "externalUserStateChangeDateTime": None,
        "givenName": given,
        "identities": [
            {"signInType": "userPrincipalName", "issuer": domain, "issuerAssignedId": address}
        ],
        "isResourceAccount": None,
        "jobTitle": title,
        "lastPasswordChangeDateTime": created,
        "mail": address,
        "mailNickname": nickname,
        "mobilePhone": None,
        "officeLocation": None,
        "onPremisesDistinguishedName": None,
        "onPremisesDomainName": None,
        "onPremisesImmutableId": None,
        "onPremisesLastSyncDateTime": None,
        "onPremisesSamAccountName": None,
        "onPremisesSecurityIdentifier": None,
        "onPremisesSyncEnabled": None,
        "onPremisesUserPrincipalName": None,
        "otherMails": [],
        "passwordPolicies": None,
        "passwordProfile": None,
        "preferredLanguage": None,
        "proxyAddresses": [f"SMTP:{address}"],
        "showInAddressList": None,
        "signInActivity": None,
        "signInSessionsValidFromDateTime": created,
        "surname": surname,
        "usageLocation": None,
        "userPrincipalName": address,
        "userType": "Member",
    }


def _ascii(text: str) -> str:
    plain = text.lower().replace(" ", "").translate(str.maketrans("áéíóúñ", "aeioun"))
    return "".join(c for c in plain if c.isalnum() or c in ".-")


def mailbox_record(user: Record, kind: str = "UserMailbox") -> Record:
    """A mailbox that forwards nowhere."""
    return {
        "settings": {
            "archiveFolder": stable_id(user["id"], "archive"),
            "timeZone": "GMT Standard Time",
            "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
            "dateFormat": "dd/MM/yyyy",
            "timeFormat": "HH:mm",
            "userPurpose": "shared" if kind == "SharedMailbox" else "user",
            "automaticRepliesSetting": {
                "status": "disabled",
                "externalAudience": "all",
                "internalReplyMessage": "",
                "externalReplyMessage": "",
            },
            "language": {"locale": "en-GB", "displayName": "English (United Kingdom)"},
        },
        "exchange": {
            "Guid": stable_id(user["id"], "mailbox"),
            "RecipientTypeDetails": kind,
            "ForwardingSmtpAddress": None,
            "ForwardingAddress": None,
            "DeliverToMailboxAndForward": False,
        },
    }


def method_records(user: Record, when: datetime, *, number: int, phone: bool) -> list[Record]:
    """What a member has registered: a password, an authenticator app and perhaps a phone."""
    created = instant(when + timedelta(hours=1))
    records: list[Record] = [
        {
            "@odata.type": "#microsoft.graph.passwordAuthenticationMethod",
            "id": PASSWORD_METHOD_ID,
            "createdDateTime": instant(when),
            "password": None,
        },
        {
            "@odata.type": "#microsoft.graph.microsoftAuthenticatorAuthenticationMethod",
            "id": stable_id(user["id"], "authenticator"),
            "createdDateTime": created,
            "displayName": f"{user['givenName']}'s phone",
            "deviceTag": "SoftwareTokenActivated",
            "phoneAppVersion": "6.2511.7842",
        },
    ]
    if phone:
        records.append(phone_method("mobile", f"+44 7700 900{100 + number:03d}", created))
    return records


def phone_method(phone_type: str, number: str, created: str) -> Record:
    """A phone as an authentication method; its id depends on its type alone."""
    return {
        "@odata.type": "#microsoft.graph.phoneAuthenticationMethod",
        "id": PHONE_IDS[phone_type],
        "createdDateTime": created,
        "phoneNumber": number,
        "phoneType": phone_type,
        "smsSignInState": "notAllowedByPolicy",
    }


def inbox_rule(user: Record, name: str, sequence: int, **parts: Record) -> Record:
    """An inbox rule with `conditions` and `actions`."""
    return {
        "id": "AQAAA" + stable_id(user["id"], "rule", name).replace("-", "")[:7] + "=",
        "displayName": name,
        "sequence": sequence,
        "isEnabled": True,
        "hasError": False,
        "isReadOnly": False,
        "conditions": parts.get("conditions"),
        "actions": parts.get("actions"),
        "exceptions": None,
    }


def recipient(address: str, name: str | None = None) -> Record:
    """An address as Graph's recipient."""
    return {"emailAddress": {"name": name or address, "address": address}}


def sign_in(
    sign_in_id: str,
    user: Record,
    when: datetime,
    place: Place,
    address: str,
    device: Record,
    **changes: object,
) -> Record:
    """A successful interactive sign-in without risk; `changes` replace properties."""
    record: Record = {
        "id": sign_in_id,
        "createdDateTime": instant(when),
        "userDisplayName": user["displayName"],
        "userPrincipalName": user["userPrincipalName"],
        "userId": user["id"],
        "appId": "5d661950-3475-41cd-a2c3-d671a3162bc1",
        "appDisplayName": "Microsoft Outlook",
        "ipAddress": address,
        "clientAppUsed": "Browser",
        "userAgent": None,
        "correlationId": stable_id(sign_in_id, "correlation"),
        "conditionalAccessStatus": "notApplied",
        "isInteractive": True,
        "riskDetail": "none",
        "riskLevelAggregated": "none",
        "riskLevelDuringSignIn": "none",
        "riskState": "none",
        "riskEventTypes_v2": [],
        "resourceDisplayName": "Office 365 Exchange Online",
        "resourceId": "00000002-0000-0ff1-ce00-000000000000",
        "status": {"errorCode": 0, "failureReason": "Other.", "additionalDetails": None},
        "deviceDetail": device,
        "location": place.location(),
        "appliedConditionalAccessPolicies": [],
    }
    record.update(changes)
    return record


def usual_device(user: Record, number: int) -> Record:
    """The managed computer from which a member signs in."""
    return {
        "deviceId": stable_id(user["id"], "device"),
        "displayName": f"{str(user['givenName'] or 'PC').upper()}-PC",
        "operatingSystem": SYSTEMS[number % len(SYSTEMS)],
        "browser": BROWSERS[number % len(BROWSERS)],
        "isCompliant": True,
        "isManaged": True,
        "trustType": "Azure AD joined",
    }


def unknown_device() -> Record:
    """A computer that the tenant does not know."""
    return {
        "deviceId": "",
        "displayName": "",
        "operatingSystem": "Linux",
        "browser": "Firefox 128.0",
        "isCompliant": False,
        "isManaged": False,
        "trustType": "",
    }
