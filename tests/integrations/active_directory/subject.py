"""Active Directory under the conformance suite: a real domain controller, behind a middleman that
keeps the log and lets things go wrong."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.active_directory.manifest import MANIFEST
from integrations.contract import Json, Target
from tests.integrations.active_directory.domain import (
    OLD_PASSWORD,
    PRIYA,
    QUARANTINE,
    RECEPTION,
    SERVICE,
    SERVICE_PASSWORD,
    STAFF,
    ClinicDomain,
    clinic_domain,
)
from tests.integrations.conformance.subject import (
    PASSWORD,
    ActionCase,
    Door,
    Recorded,
    Subject,
    Vendor,
)
from tests.servers.ldap_codec import LdapCodec
from tests.servers.middleman import Middleman
from tests.servers.samba import PORT


class RealDomain(Vendor):
    """The clinic's domain, and how Holdfast is connected to it."""

    manifest = MANIFEST

    def __init__(self, domain: ClinicDomain, middleman: Middleman) -> None:
        self.domain = domain
        self.middleman = middleman
        self.settings = {
            "server": f"127.0.0.1:{middleman.port}",
            "username": SERVICE,
            "certificate_authority": domain.controller.authority.pem,
            "quarantine_ou": QUARANTINE,
            "page_size": "5",
        }
        self.secrets = {"password": SERVICE_PASSWORD}

    def fault(self, kind: str, **options: Any) -> None:
        """Switch it on."""
        if kind == "expired_tokens":
            self.middleman.forget_sessions()
        else:
            self.middleman.faults.add(kind=kind, **options)

    def clear_faults(self) -> None:
        """Switch all off."""
        self.middleman.faults.remove()

    def grant(self, permissions: Sequence[str]) -> None:
        """Delegate exactly these to the service account."""
        self.domain.grant(permissions)

    def requests(self, method: str = "", path: str = "") -> list[Json]:
        """From the middleman's log."""
        return list(self.middleman.requests(method, path))

    def credentials(self) -> set[str]:
        """The passwords that came by."""
        return set(self.middleman.secrets)


@contextmanager
def running_domain(folder: Path) -> Iterator[RealDomain]:
    """The domain, made anew, with a middleman of its own in front."""
    domain = clinic_domain()
    controller = domain.controller
    trust = ssl.create_default_context(cadata=controller.authority.pem)
    own = controller.authority.issue(folder / "middleman", "127.0.0.1", "localhost")
    middleman = Middleman(LdapCodec(), (controller.address, PORT), trust, own)
    with middleman.running():
        yield RealDomain(domain, middleman)


def _account(vendor: RealDomain) -> Target:
    return Target("account", "row", vendor.domain.guid(PRIYA), "CLINIC\\priya.shah")


def _membership(vendor: RealDomain) -> Target:
    account, group = vendor.domain.guid(PRIYA), vendor.domain.guid(RECEPTION)
    return Target("group_membership", "row", f"{account}/{group}", "Reception", account)


def _flags(vendor: RealDomain, target: Target) -> Any:
    return vendor.domain.value(f"<GUID={target.external_id}>", "userAccountControl")


def _sign_in(password: str) -> Any:
    """How the domain controller answers Priya's sign-in with a password."""

    def observe(vendor: RealDomain, target: Target) -> str:
        return vendor.domain.sign_in_code("priya.shah@ad.clinic.example", password)

    return observe


def _place(vendor: RealDomain, target: Target) -> str:
    return vendor.domain.name_of(target.external_id)


def _members(vendor: RealDomain, target: Target) -> list[str]:
    return vendor.domain.members(RECEPTION)


def _block(vendor: RealDomain, target: Target) -> None:
    vendor.domain.change(PRIYA, "userAccountControl", "514")


def _modify(attribute: str) -> dict[str, str]:
    return {"method": "MODIFY", "path": rf"\?{attribute}"}


_NO_IDS = "An exported list with names only, and no objectGUID."
_MASKED = "An example whose objectGUID was replaced by the word id."


def _set_up_anew(vendor: RealDomain) -> None:
    """A computer leaves the domain; another of its name joins."""
    vendor.domain.delete(f"CN=PC5,{STAFF}")
    vendor.domain.add_computer("PC5")


class ActiveDirectorySubject(Subject):
    """The clinic's domain on small pages."""

    manifest = MANIFEST
    feed = "users"
    pages = r"\?sub\?.*uSNChanged<="
    other_doors = (Door("groups", r"\?sub\?.*objectClass=group.*uSNChanged<="),)
    deletions = {
        "users": lambda vendor: vendor.domain.delete(PRIYA),
        "groups": lambda vendor: vendor.domain.delete(RECEPTION),
        "computers": _set_up_anew,
    }
    endpoints = ("server",)
    real_server = "Samba Active Directory domain controller"
    server = "Samba"
    left_out = {
        "throttling": "LDAP's busy says neither that nor how long to wait; tried on its own in "
        "tests/integrations/active_directory/test_client.py.",
        "contract": "LDAP is a protocol and no published list of calls: the real server is the "
        "contract.",
    }
    excused = {
        "throttling": "tests/integrations/active_directory/test_client.py::"
        "test_a_busy_server_is_left_alone_for_a_while",
        "contract": "the real server is the contract",
    }
    records = (
        Recorded(
            "users", "on-prem-ad/soar-action-results",
            {"missing_id": (3, _NO_IDS), "bad_id": (2, _MASKED)},
        ),
    )  # fmt: skip
    other_writes = ("identity.quarantine_account",)
    actions = (
        ActionCase("identity.disable_sign_in", _account, _flags, _modify("userAccountControl")),
        ActionCase(
            "identity.enable_sign_in", _account, _flags, _modify("userAccountControl"),
            prepare=_block,
        ),
        ActionCase(
            "identity.reset_password", _account, _sign_in(PASSWORD), _modify("unicodePwd,pwd")
        ),
        ActionCase(
            "identity.expire_password", _account, _sign_in(OLD_PASSWORD), _modify("pwdLastSet")
        ),
        ActionCase(
            "identity.expire_account", _account, _sign_in(OLD_PASSWORD), _modify("accountExpires")
        ),
        ActionCase(
            "identity.restore_account_expiry", _account, _sign_in(OLD_PASSWORD),
            _modify("accountExpires"), undoes="identity.expire_account",
        ),
        ActionCase("identity.remove_from_group", _membership, _members, _modify("member")),
        ActionCase(
            "identity.add_to_group", _membership, _members, _modify("member"),
            undoes="identity.remove_from_group",
        ),
        ActionCase("identity.quarantine_account", _account, _place, {"method": "MODIFYDN"}),
        ActionCase(
            "identity.restore_account_place", _account, _place, {"method": "MODIFYDN"},
            undoes="identity.quarantine_account",
        ),
    )  # fmt: skip

    @contextmanager
    def running(self, folder: Path) -> Iterator[RealDomain]:
        """The domain, with a middleman in front."""
        with running_domain(folder) as started:
            yield started

    def address(self, setting: str, host: str) -> str:
        """A server is a host, without https."""
        return host


SUBJECT = ActiveDirectorySubject()
