"""The clinic's domain on the real domain controller, as its administrator sees and changes it.

What tests change (Priya's account, the group Reception, everybody's rights) is made anew for each
test; all else is made once.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPCommunicationError

from integrations.connectors.active_directory import ids
from integrations.connectors.active_directory import permissions as rights
from tests.servers.once import once
from tests.servers.rights import (
    CONTROL,
    CREATE_CHILD,
    DELETE_CHILD,
    LIST,
    READ,
    WRITE,
    Right,
    owned_by,
    with_rights,
)
from tests.servers.samba import ADMINISTRATOR, BASE, PASSWORD, DomainController, domain_controller

STAFF, GROUPS, QUARANTINE = (f"OU={name},{BASE}" for name in ("Staff", "Groups", "Quarantine"))
DELETED = f"CN=Deleted Objects,{BASE}"
PRIYA, RECEPTION = f"CN=Priya Shah,{STAFF}", f"CN=Reception,{GROUPS}"
OLD_PASSWORD = "Spring-and-Autumn-2026"
SERVICE, SERVICE_PASSWORD = "holdfast@ad.clinic.example", "Service-9-of-the-night-watch"
COLLEAGUES = (
    "Amara Okafor", "Ben Wright", "Chloe Martin", "Dan O'Neil", "Elif Demir", "Femi Ade",
    "Grace Lin", "Hugo (Locum)", "Ines Silva", "Jonas Berg", "Kai, Mei", "Zoë Müller",
)  # fmt: skip
_USER, _GROUP = "bf967aba-0de6-11d0-a285-00aa003049e2", "bf967a9c-0de6-11d0-a285-00aa003049e2"
# [MS-ADSC]: schemaIDGUID of the attributes.
_ATTRIBUTES = {
    "userAccountControl": "bf967a68-0de6-11d0-a285-00aa003049e2",
    "pwdLastSet": "bf967a0a-0de6-11d0-a285-00aa003049e2",
    "accountExpires": "bf967915-0de6-11d0-a285-00aa003049e2",
    "member": "bf9679c0-0de6-11d0-a285-00aa003049e2",
    "cn": "bf96793f-0de6-11d0-a285-00aa003049e2",
    "name": "bf967a0e-0de6-11d0-a285-00aa003049e2",
}
_RESET = "00299570-246d-11d0-a768-00aa006e0529"
_MOVE = (
    Right(CREATE_CHILD | DELETE_CHILD, of=_USER),
    *(Right(WRITE, of=_ATTRIBUTES[name], on=_USER) for name in ("cn", "name")),
)
# What each permission of the manifest is, and where.
_GRANTS: Mapping[str, Sequence[tuple[str, Right]]] = {
    rights.READ: (),
    rights.READ_DELETED: ((DELETED, Right(LIST | READ)),),
    rights.WRITE_CONTROL: ((STAFF, Right(WRITE, _ATTRIBUTES["userAccountControl"], _USER)),),
    rights.RESET_PASSWORD: ((STAFF, Right(CONTROL, _RESET, _USER)),),
    rights.WRITE_PASSWORD_SET: ((STAFF, Right(WRITE, _ATTRIBUTES["pwdLastSet"], _USER)),),
    rights.WRITE_EXPIRY: ((STAFF, Right(WRITE, _ATTRIBUTES["accountExpires"], _USER)),),
    rights.WRITE_MEMBERS: ((GROUPS, Right(WRITE, _ATTRIBUTES["member"], _GROUP)),),
    rights.MOVE: tuple((place, right) for place in (STAFF, QUARANTINE) for right in _MOVE),
}
_PLACES = (BASE, STAFF, GROUPS, QUARANTINE, DELETED)
_ONLY_DACL = ("1.2.840.113556.1.4.801", True, bytes.fromhex("3003020104"))
_ONLY_OWNER = ("1.2.840.113556.1.4.801", True, bytes.fromhex("3003020101"))
_SHOW_DELETED = ("1.2.840.113556.1.4.417", True, None)


class ClinicDomain:
    """The domain, through an administrator's own connection."""

    def __init__(self, controller: DomainController) -> None:
        self.controller = controller
        self._ldap = self.sign_in(ADMINISTRATOR, PASSWORD)
        assert self._ldap.result["result"] == 0, self._ldap.result
        self._build()
        self._take_over(DELETED)
        self._untouched = {place: self._descriptor(place) for place in _PLACES}
        self._present = dict(self._untouched)

    def sign_in(self, username: str, password: str) -> ldap3.Connection:
        """A connection of one's own; its result tells whether the sign-in worked."""
        trust = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_data=self.controller.authority.pem)
        server = ldap3.Server(
            self.controller.address, port=636, use_ssl=True, tls=trust, get_info=ldap3.NONE
        )
        connection = ldap3.Connection(
            server, username, password, auto_referrals=False, check_names=False
        )
        connection.bind()
        return connection

    def sign_in_code(self, username: str, password: str) -> str:
        """How the domain controller answers a sign-in: "ok", or the data of error 49."""
        connection = self.sign_in(username, password)
        result = connection.result
        if result["result"] == 0:
            connection.unbind()
            return "ok"
        return str(result["message"]).partition("data ")[2].partition(",")[0]

    def renew(self) -> None:
        """Make anew what tests change, and let the service account do everything."""
        for name in self._found("(|(sAMAccountName=priya.shah)(sAMAccountName=Reception))"):
            self.delete(name)
        self.add_user(PRIYA, "priya.shah", mail="priya.shah@clinic.example")
        self.add(RECEPTION, "group", sAMAccountName="Reception")
        self.change(RECEPTION, "member", PRIYA)
        self.grant(list(_GRANTS))

    def grant(self, permissions: Sequence[str]) -> None:
        """Give the service account exactly these."""
        given: dict[str, list[Right]] = {place: [] for place in _PLACES}
        for permission in permissions:
            for place, right in _GRANTS[permission]:
                given[place].append(right)
        if rights.READ not in permissions:
            given[BASE].append(Right(LIST | READ, denied=True))
        sid = self.value(f"CN=Holdfast,{STAFF}", "objectSid")
        for place, ones in given.items():
            self._protect(place, with_rights(self._untouched[place], sid, ones))

    def let_replicate(self, name: str) -> None:
        """Let an account copy the whole directory, as a program that synchronises it may."""
        right = Right(CONTROL, "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2")
        sid = self.value(name, "objectSid")
        self._protect(BASE, with_rights(self._present[BASE], sid, [right]))

    def _protect(self, place: str, descriptor: bytes) -> None:
        """Say who may do what to an object; what is below takes it over, which takes its time."""
        if self._present[place] == descriptor:
            return
        self._present[place] = descriptor
        self._send(
            self._ldap.modify, place,
            {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [descriptor])]},
            controls=[_ONLY_DACL, _SHOW_DELETED],
        )  # fmt: skip

    def add(self, name: str, kind: str, **attributes: Any) -> None:
        """Make an object."""
        self._send(self._ldap.add, name, kind, attributes)

    def add_user(self, name: str, account: str, password: str = OLD_PASSWORD, **more: Any) -> None:
        """Make an account that may sign in."""
        shown = ids.first_part(name)[0].removeprefix("CN=").replace("\\", "")
        self.add(
            name, "user", sAMAccountName=account, displayName=shown,
            userPrincipalName=f"{account}@ad.clinic.example", userAccountControl="512",
            unicodePwd=f'"{password}"'.encode("utf-16-le"), **more,
        )  # fmt: skip

    def add_computer(self, name: str) -> None:
        """Join a computer to the domain."""
        self.add(
            f"CN={name},{STAFF}", "computer", sAMAccountName=f"{name}$",
            dNSHostName=f"{name}.ad.clinic.example", operatingSystem="Windows 11 Pro",
            userAccountControl="4096",
        )  # fmt: skip

    def change(self, name: str, attribute: str, *values: Any, how: str = "MODIFY_REPLACE") -> None:
        """Change one attribute."""
        self._send(self._ldap.modify, name, {attribute: [(how, list(values))]})

    def delete(self, name: str) -> None:
        """Delete an object."""
        self._send(self._ldap.delete, name)

    def move(self, name: str, place: str) -> None:
        """Move an object, as a colleague might."""
        part = ids.first_part(name)[0]
        self._send(self._ldap.modify_dn, name, part, new_superior=place)

    def value(self, name: str, attribute: str) -> bytes:
        """An attribute's first value, b"" where there is none."""
        found = self._read(name, attribute)
        return found[0] if found else b""

    def guid(self, name: str) -> str:
        """The object's GUID."""
        return ids.guid_text(self.value(name, "objectGUID"))

    def members(self, group: str) -> list[str]:
        """Who stands in a group's list."""
        return sorted(one.decode() for one in self._read(group, "member"))

    def name_of(self, guid: str) -> str:
        """Where the object is now."""
        return self.value(f"<GUID={guid}>", "distinguishedName").decode()

    def _read(self, name: str, attribute: str, controls: Iterable[Any] = ()) -> list[bytes]:
        self._send(
            self._ldap.search, name, "(objectClass=*)", ldap3.BASE, attributes=[attribute],
            controls=list(controls),
        )  # fmt: skip
        return self._ldap.response[0]["raw_attributes"].get(attribute, [])

    def _found(self, where: str) -> list[str]:
        self._send(self._ldap.search, BASE, where, attributes=["cn"])
        return [one["dn"] for one in self._ldap.response if one["type"] == "searchResEntry"]

    def _descriptor(self, place: str) -> bytes:
        controls = [_ONLY_DACL, _SHOW_DELETED]
        return self._read(place, "nTSecurityDescriptor", controls)[0]

    def _take_over(self, place: str) -> None:
        """Own what only the system owns, so that rights can be given on it."""
        sid = self.value(f"CN=Administrator,CN=Users,{BASE}", "objectSid")
        change = {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [owned_by(sid)])]}
        self._send(self._ldap.modify, place, change, controls=[_ONLY_OWNER, _SHOW_DELETED])

    def _send(self, send: Any, *arguments: Any, **options: Any) -> None:
        try:
            send(*arguments, **options)
        except LDAPCommunicationError:
            # Samba ends what has been idle for long.
            self._ldap = self.sign_in(ADMINISTRATOR, PASSWORD)
            getattr(self._ldap, send.__name__)(*arguments, **options)
        assert self._ldap.result["result"] == 0, (arguments[0], self._ldap.result)

    def _build(self) -> None:
        for place in (STAFF, GROUPS, QUARANTINE):
            self.add(place, "organizationalUnit")
        for number, name in enumerate(COLLEAGUES):
            common = name.replace(",", "\\,")
            self.add_user(f"CN={common},{STAFF}", f"colleague{number}", title="Nurse")
        self.add_user(f"CN=Holdfast,{STAFF}", "holdfast", SERVICE_PASSWORD)
        for number in range(6):
            self.add_computer(f"PC{number}")
        # Amara rules the domain through two groups in each other.
        self.add(f"CN=Helpers,{GROUPS}", "group", sAMAccountName="Helpers")
        self.add(f"CN=Ward,{GROUPS}", "group", sAMAccountName="Ward")
        self.change(f"CN=Ward,{GROUPS}", "member", f"CN=Amara Okafor,{STAFF}")
        self.change(f"CN=Helpers,{GROUPS}", "member", f"CN=Ward,{GROUPS}")
        admins = f"CN=Domain Admins,CN=Users,{BASE}"
        self.change(admins, "member", f"CN=Helpers,{GROUPS}", how="MODIFY_ADD")
        # The first sign-in is written down; later ones only after days.
        assert self.sign_in_code(SERVICE, SERVICE_PASSWORD) == "ok"


@contextmanager
def _built() -> Iterator[ClinicDomain]:
    yield ClinicDomain(once(domain_controller))


def clinic_domain() -> ClinicDomain:
    """The domain, built once for a test run, with what tests change made anew."""
    domain = once(_built)
    domain.renew()
    return domain
