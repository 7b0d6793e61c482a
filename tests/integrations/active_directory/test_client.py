"""The way to a domain controller: TLS, sign-in, refusals in words, and lines that break."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from integrations.connectors.active_directory import ids
from integrations.connectors.active_directory import permissions as rights
from integrations.connectors.active_directory.answers import Asked, Result, error_for
from integrations.connectors.active_directory.client import canary
from integrations.connectors.active_directory.manifest import MANIFEST
from integrations.connectors.active_directory.permissions import READ
from integrations.connectors.active_directory.setting_up import PERMISSIONS
from integrations.connectors.active_directory.standing import standing
from integrations.errors import (
    ConnectionMisconfigured,
    PermissionMissing,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
)
from tests.integrations.active_directory.domain import ADMINISTRATOR, COLLEAGUES, PASSWORD, STAFF
from tests.integrations.conformance.subject import QUICK
from tests.servers.authority import Authority
from tests.servers.ldap_codec import LdapCodec
from tests.servers.middleman import Middleman

ONCE = replace(QUICK, repeats=0)


def seen_with(vendor, **changed: str) -> str:
    client = vendor.connect(ONCE, **changed)
    try:
        return canary(client)
    finally:
        client.close()


def test_without_a_middleman_the_domain_controller_is_reached_on_its_own_port(vendor) -> None:
    assert "CLINIC" in seen_with(vendor, server=vendor.domain.controller.address)


def test_a_certificate_of_another_authority_is_not_trusted(vendor) -> None:
    for authority in (Authority().pem, ""):
        with pytest.raises(Unavailable, match="certificate can't be trusted"):
            seen_with(vendor, certificate_authority=authority)
    assert vendor.requests() == []


def test_a_certificate_for_another_name_is_not_trusted(vendor, tmp_path) -> None:
    own = vendor.domain.controller.authority.issue(tmp_path / "other", "dc2.ad.clinic.example")
    with passing(vendor, own) as server, pytest.raises(Unavailable, match="be trusted"):
        seen_with(vendor, server=server)


def test_an_expired_certificate_is_not_trusted(vendor, tmp_path) -> None:
    authority = vendor.domain.controller.authority
    own = authority.issue(tmp_path / "old", "127.0.0.1", expired=True)
    with passing(vendor, own) as server, pytest.raises(Unavailable, match="expired"):
        seen_with(vendor, server=server)


@contextmanager
def passing(vendor, own) -> Iterator[str]:
    """Another middleman before the same server, with a certificate of its own."""
    first = vendor.middleman
    with Middleman(LdapCodec(), first.upstream, first.trust, own).running() as middleman:
        yield f"127.0.0.1:{middleman.port}"


def test_a_server_without_tls_is_told_nothing(vendor) -> None:
    heard: list[bytes] = []

    def listen(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            heard.append(connection.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen, args=(listener,))
        thread.start()
        with pytest.raises(Unavailable):
            seen_with(vendor, server=f"127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    # A TLS handshake, and nothing of a sign-in.
    assert heard[0][:1] == b"\x16"
    assert b"holdfast" not in heard[0]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"server": "ldap://dc1"}, "no server"),
        ({"server": "dc1:99999"}, "no server"),
        ({"certificate_authority": "nonsense"}, "no PEM"),
        ({"page_size": "many"}, "page size"),
        ({"username": ""}, "lacks username"),
        ({"password": ""}, "lacks password"),
    ],
)
def test_settings_that_can_not_work_are_named(vendor, given, match) -> None:
    with pytest.raises(ConnectionMisconfigured, match=match):
        vendor.connect(**given)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (None, "data 52e"),
        (("userAccountControl", "514"), "account is disabled"),
        (("pwdLastSet", "0"), "password must be changed first"),
        (("accountExpires", "133000000000000000"), "account has expired"),
    ],
)
def test_a_refused_sign_in_says_why(vendor, change, words) -> None:
    password = "Not-the-password-1"
    if change:
        vendor.domain.add_user(f"CN=Locked,{STAFF}", "locked", password)
        vendor.domain.change(f"CN=Locked,{STAFF}", *change)
    try:
        with pytest.raises(Unauthorised, match=words) as caught:
            seen_with(vendor, username="locked@ad.clinic.example", password=password)
    finally:
        if change:
            vendor.domain.delete(f"CN=Locked,{STAFF}")
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "text", "error", "words"),
    [
        (49, "80090308: LdapErr: DSID-0C090449, comment: x, data 775, v4563", Unauthorised,
         "locked after too many wrong passwords"),
        (53, "0000052D: SvcErr: DSID-031A1254, problem 5003", Rejected, "length, complexity"),
        (19, "0000052D: AtrErr: DSID-03190FD6", Rejected, "length, complexity or history"),
        (53, "0000055E: SvcErr: DSID-031A1236", Rejected, "primary group"),
        (68, "00002071: UpdErr: DSID-0305038D", Rejected, "of that name is there already"),
        (50, "00002098: SecErr: DSID-03150F94", PermissionMissing, "AdminSDHolder"),
        (10, "0000202B: RefErr: DSID-031007F9", Rejected, "not followed"),
        (1, "000004DC: LdapErr: DSID-0C090AC8", Unauthorised, "service account"),
        (64, "", Rejected, "error 64"),
    ],
)  # fmt: skip
def test_results_are_put_into_words(code, text, error, words) -> None:
    made = error_for(Asked("change <GUID=x>", "Some right", is_read=False), Result(code, text))
    assert type(made) is error
    assert words in str(made)
    assert "DSID" not in str(made)


def test_a_busy_server_is_left_alone_for_a_while(vendor, client) -> None:
    client.domain  # noqa: B018
    vendor.fault("throttle", method="SEARCH")
    with pytest.raises(Throttled) as caught:
        client.newest_change()
    assert 0 < caught.value.retry_after <= 60
    assert len(vendor.requests("SEARCH", "^\\?base")) == 2


def test_a_connection_that_was_dropped_while_idle_is_made_anew(vendor, client, priya) -> None:
    name = f"<GUID={priya.external_id}>"
    client.read(name, "objectGUID", permission=READ)
    vendor.middleman.cut()
    assert client.read(name, "objectGUID", permission=READ).values
    assert len(vendor.requests("BIND")) == 2


def test_names_can_not_break_out_of_a_filter(vendor) -> None:
    client = vendor.connect(username=ADMINISTRATOR, password=PASSWORD)
    for name in (*COLLEAGUES, "*", "x)(objectClass=*", "\\", "\x00"):
        found = client.all(ids.is_equal("displayName", name), "displayName")
        shown = [one.values["displayname"][0].decode() for one in found]
        assert shown == ([name] if name in COLLEAGUES else [])
    client.close()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("CN=Kai\\, Mei,OU=Staff,DC=x", ("CN=Kai\\, Mei", "OU=Staff,DC=x")),
        ("CN=a\\\\,DC=x", ("CN=a\\\\", "DC=x")),
        ("DC=x", ("DC=x", "")),
    ],
)
def test_a_distinguished_name_is_cut_after_its_first_part(name, parts) -> None:
    assert ids.first_part(name) == parts


def test_what_is_no_identifier_names_nothing() -> None:
    guid = "06dff074-83c3-4512-adcc-fe83661606ff"
    assert ids.name_of(f"{{{guid.upper()}}}") == f"<GUID={guid}>"
    assert ids.name_of("S-1-5-21-1-2-3-1104") == "<SID=S-1-5-21-1-2-3-1104>"
    for text in ("", "priya.shah", f"{guid}>", "S-1-5-21-x", f"{guid},DC=x"):
        assert ids.name_of(text) == ""
    with pytest.raises(ValueError, match="no attribute"):
        ids.is_equal("cn=*)(x", "y")
    with pytest.raises(ValueError, match="no SID"):
        ids.sid_text(b"\x01\x05")


@pytest.mark.parametrize("missing", ["", rights.WRITE_CONTROL, rights.WRITE_MEMBERS])
def test_the_server_tells_what_the_account_may_write(vendor, missing) -> None:
    every = {one.name for one in PERMISSIONS}
    vendor.grant(sorted(every - {missing}))
    client = vendor.connect(ONCE)
    assert standing(client).granted == every - {missing}
    client.close()


def test_another_domain_controller_takes_over_where_one_can_not_be_reached(vendor) -> None:
    own = vendor.settings["server"]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        away = f"127.0.0.1:{closed.getsockname()[1]}"
    client = vendor.connect(server=f"{away}, {own}")
    try:
        assert "CLINIC" in canary(client)
        before = client.domain
        # It comes back to the first after some time, and finds the same domain where that is away.
        client._moved_at -= 3600
        client.close()
        assert client.read(before.name, "objectSid", permission=READ)
        assert client.domain == before
    finally:
        client.close()


def test_a_domain_controller_of_another_domain_is_refused(vendor) -> None:
    client = vendor.connect()
    try:
        client._sid = "S-1-5-21-9-9-9"
        with pytest.raises(ConnectionMisconfigured, match="only those of one domain"):
            canary(client)
    finally:
        client.close()


def test_a_sweep_that_another_copy_goes_on_with_begins_anew(vendor) -> None:
    client = vendor.connect(page_size="2")
    try:
        pages = MANIFEST.feed("groups").fetch(client, {})
        next(pages)
        client.__dict__["domain"] = replace(client.domain, copy_id="another")
        with pytest.raises(Unavailable, match="Another domain controller answers"):
            next(pages)
    finally:
        client.close()
