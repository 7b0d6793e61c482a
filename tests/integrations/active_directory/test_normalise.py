"""Records of the directory, and what a reader sees in them."""

import datetime as dt

import pytest

from integrations.connectors.active_directory.normalise import computer, days, group, user, when
from tenants.errors import Quarantine
from tenants.records import SourceRecord

GUID = "3f21d1aa-9f74-47d4-96db-4d2025bb1776"
SID = "S-1-5-21-274194731-77893413-3928309019-1104"


def of(**body) -> SourceRecord:
    told = {"objectGUID": [GUID], "objectSid": [SID], "sAMAccountName": ["priya.shah"], **body}
    return SourceRecord({k: v for k, v in told.items() if v is not None}, {"domain": "CLINIC"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("20260105093000.0Z", "2026-01-05T09:30:00+00:00"),
        ("134401268996399460", "2026-11-26T00:34:59.639946+00:00"),
        ("2019-01-09 08:42:03.540783+00:00", "2019-01-09T08:42:03.540783+00:00"),
        ("0", None),
        ("9223372036854775807", None),
        ("9999-12-31 23:59:59.999999", None),
        ("1601-01-01 00:00:00+00:00", None),
        ("-1", None),
        ("date", None),
        ("99999999999999.0Z", None),
        (None, None),
    ],
)
def test_times_of_every_kind(given, expected) -> None:
    found = when(given)
    assert (found.isoformat() if found else None) == expected
    assert found is None or found.tzinfo == dt.UTC


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, ""),
        (["CN=Mia,DC=clinic,DC=example"], "CN=Mia,DC=clinic,DC=example"),
        ([f"<GUID={GUID.upper()}>;<SID={SID}>;CN=Mia,DC=clinic,DC=example"], GUID),
    ],
)
def test_the_manager_by_id_where_the_record_tells_it(told, expected) -> None:
    assert user(of(manager=told)).attributes["manager"] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("-36288000000000", 42), ("0", None), ("-9223372036854775808", None), ("x", None)],
)
def test_lengths_of_time(given, expected) -> None:
    assert days(given) == expected


@pytest.mark.parametrize(
    ("flags", "name", "expected"),
    [
        (512, "is_enabled", True),
        (514, "is_enabled", False),
        (66048, "password_never_expires", True),
        (512 | 0x20, "password_not_required", True),
        (512 | 0x40000, "smart_card_required", True),
        (512 | 0x400000, "no_preauthentication", True),
    ],
)
def test_flags(flags, name, expected) -> None:
    assert user(of(userAccountControl=[str(flags)])).attributes[name] is expected


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "member"),
        ({"objectSid": ["S-1-5-21-1-2-3-500"]}, "service"),
        ({"objectSid": ["S-1-5-21-1-2-3-502"]}, "service"),
        ({"userAccountControl": ["2080"]}, "service"),
        ({"objectClass": ["top", "computer", "msDS-GroupManagedServiceAccount"]}, "service"),
        ({"servicePrincipalName": ["HTTP/intranet"]}, "member"),
    ],
)
def test_kinds_are_told_by_what_windows_says_only(body, kind) -> None:
    assert user(of(**body)).attributes["kind"] == kind


def test_an_account_has_its_aliases_and_what_can_be_attacked() -> None:
    told = user(
        of(
            proxyAddresses=["SMTP:Priya.Shah@clinic.example", "smtp:ps@clinic.example", "x500:/o"],
            servicePrincipalName=["HTTP/intranet"],
            sIDHistory=["S-1-5-21-9-9-9-512", "nonsense"],
            lockoutTime=["134401268996399460"],
        )
    ).attributes
    assert told["aliases"] == ["priya.shah@clinic.example", "ps@clinic.example"]
    assert told["service_principal_names"] == ["HTTP/intranet"]
    assert told["former_sids"] == ["S-1-5-21-9-9-9-512"]


def test_without_knowledge_of_groups_the_trace_counts() -> None:
    assert user(of(adminCount=["1"])).attributes["is_privileged"] is True
    assert "is_privileged" not in user(of()).attributes


@pytest.mark.parametrize(
    ("guid", "code"), [(None, "missing_id"), (["{id}"], "bad_id"), (["priya"], "bad_id")]
)
@pytest.mark.parametrize("normalise", [user, group, computer])
def test_a_name_is_no_identity(normalise, guid, code) -> None:
    with pytest.raises(Quarantine) as caught:
        normalise(of(objectGUID=guid))
    assert caught.value.code == code


def test_a_member_without_guid_keeps_its_name() -> None:
    told = group(of(member=[f"<GUID={GUID}>;<SID={SID}>;CN=a", "CN=b,DC=x"])).attributes
    assert told["members"] == [GUID, "CN=b,DC=x"]


@pytest.mark.parametrize(
    ("flags", "expected"), [(0x82000, False), (0x81000, True), (0x1000, False)]
)
def test_a_computer_trusted_with_everybodys_tickets_is_told(flags, expected) -> None:
    told = computer(of(userAccountControl=[str(flags)], dNSHostName=["PC1.ad.example"])).attributes
    assert told["is_trusted_for_delegation"] is expected
