"""What is known of attackers is met by events and cases, as sure as it still is."""

import datetime as dt
import json
import time

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import ocsf
from integrations.intelligence import aging, matching, profiles, quality, sightings, store, warnings
from integrations.intelligence.found import Found
from integrations.intelligence.warning_files import BadList
from integrations.models import Indicator, SourceQuality, WarningList
from tenants import scope
from tenants.models import Account, Case, Device, Event, RawRecord
from tests.playbooks.cases import make_account, make_case

pytestmark = pytest.mark.django_db
NOW = timezone.now()
BAD = "ip:185.220.101.5"
WAYS = ("ip:185.220.101.9", "url:https://185.220.101.9/x")


def _keep(*entities: str, source: str = "feed", **told) -> store.Outcome:
    found = [Found(external_id=one, told=one, entity=one, **told) for one in entities]
    return store.keep(source, found)


def _met(*entities: str) -> list[str]:
    return [one.indicator.entity for one in matching.known(entities)]


def _event(*entities: str, minutes_ago: float = 10, happened_days_ago: int = 0) -> None:
    at = timezone.now() - dt.timedelta(minutes=minutes_ago)
    raw = RawRecord.objects.create(
        connector="c", feed="f", received_at=at, body=b"", content_hash="", outcome="event"
    )
    Event.objects.create(
        raw=raw, connector="c", uid=str(raw.id), class_uid=ocsf.AUTHENTICATION,
        time=at - dt.timedelta(days=happened_days_ago), entities=list(entities), ocsf={},
    )  # fmt: skip


def test_a_network_is_met_by_its_addresses_and_by_no_others(in_tenant) -> None:
    _keep("net:185.220.101.0/24", "net:2a00:1:2::/48")
    for one in (*WAYS, "ip:2a00:1:2::9"):
        assert len(_met(one)) == 1, one
    for one in ("ip:185.220.102.9", "ip:2a00:1:3::9", "device:185.220.101.9"):
        assert _met(one) == [], one


def test_a_network_is_sighted_in_events_and_weighs_in_cases(tenant) -> None:
    _keep("net:185.220.101.0/24", confidence=90)
    with scope.tenant(tenant.id):
        _event("ip:185.220.101.9")
        _event("ip:185.220.102.9")
        case = make_case(make_account(), entities=["ip:185.220.101.9"])
        assert [one.sure for one in matching.surely(case.entities)] == [90]
    sightings.look(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        [found] = sightings.shown()
        assert (found.events, found.cases) == (1, 1)


def test_what_asks_for_several_things_is_met_by_one_event_that_names_them_all(tenant) -> None:
    _keep(BAD, also=("domain:bad.test",))
    with scope.tenant(tenant.id):
        assert _met(BAD) == []
        assert _met(BAD, "url:https://www.bad.test/") == [BAD]
        _event(BAD)
        _event("domain:bad.test")
    sightings.look(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        assert not sightings.shown().exists()
        _event(BAD, "domain:www.bad.test", minutes_ago=7)
    sightings.look(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        assert sightings.shown().get().events == 1


@pytest.mark.parametrize(
    ("entity", "days", "least", "most"),
    [
        (BAD, 0, 100, 100), (BAD, 9, 69, 71), (BAD, 29, 1, 4),
        ("domain:bad.test", 9, 90, 96), ("domain:bad.test", 45, 50, 60),
        ("file:" + "a" * 64, 365, 90, 99), ("file:" + "a" * 64, 1090, 0, 3),
        ("cve:cve-2024-1", 2000, 100, 100),
    ],
)  # fmt: skip
def test_confidence_ages_by_kind(entity: str, days: int, least: int, most: int) -> None:
    life = aging.good_for(entity)
    expires_at = NOW + life if life else None
    left = aging.sure(entity, 100, NOW, expires_at, NOW + dt.timedelta(days=days))
    assert least <= left <= most


def test_what_is_old_weighs_less_and_is_gone_when_its_time_is_over(in_tenant) -> None:
    _keep(BAD, confidence=90, seen_at=NOW - dt.timedelta(days=15))
    _keep("domain:bad.test", confidence=90, seen_at=NOW)
    outcome = _keep("ip:185.220.101.6", confidence=90, seen_at=NOW - dt.timedelta(days=31))
    assert outcome.as_json()["not_matched"] == {"it had expired already when it was taken in": 1}
    assert [one.sure for one in matching.known([BAD, "domain:bad.test", "ip:185.220.101.6"])] == [
        90, 45,
    ]  # fmt: skip
    assert _met("ip:185.220.101.6") == []
    assert [one.indicator.entity for one in matching.surely([BAD, "domain:bad.test"])] == [
        "domain:bad.test"
    ]
    _keep(BAD, confidence=90)
    assert [one.sure for one in matching.known([BAD])] == [90]


def _list(kind: str, *values: str, name: str = "Own list", **told) -> bytes:
    return json.dumps(
        {"name": name, "type": kind, "version": 3, "list": list(values), **told}
    ).encode()


@pytest.mark.parametrize(
    ("content", "kept_out", "looked_for"),
    [
        (_list("cidr", "185.220.0.0/16", "1.0.0.0/7"), BAD, "ip:185.221.0.1"),
        (_list("hostname", ".cdn.test"), "domain:a.cdn.test", "domain:cdn.test.bad.test"),
        (_list("string", "a.test"), "domain:a.test", "domain:b.a.test"),
        (_list("substring", "GOOD-"), "url:https://bad.test/good-1", "url:https://bad.test/1"),
        (_list("regex", "/^[a-z]+\\.DYN\\.test$/i"), "domain:abc.dyn.test", "domain:a1.dyn.test"),
        (_list("regex", "(?=x)", "a\\.test", matching_attributes=["domain", "ip-src|port"]),
         "domain:a.test", "url:https://b.test/a.test"),
        (_list("hostname", "short.test", matching_attributes=["domain", "hostname"]),
         "domain:a.short.test", "url:https://short.test/login"),
    ],
    ids=["cidr", "hostname", "string", "substring", "regex", "of some kinds", "of some sites"],
)  # fmt: skip
def test_warning_lists_of_each_type_keep_out_what_they_name(
    content, kept_out, looked_for, in_tenant
) -> None:
    _keep(kept_out, looked_for)
    _, left = warnings.take_in(content, actor="operator:command")
    assert [one.entity for one in store.in_force()] == [looked_for]
    assert warnings.kept_out() == {"it is on “Own list”": 1}
    assert [value for value, _ in left] == [
        one for one in ("1.0.0.0/7", "(?=x)") if one in content.decode()
    ]
    assert _keep(kept_out, source="later").looked_for == 0
    warnings.remove("Own list")
    assert {one.entity for one in store.in_force()} == {kept_out, looked_for}
    assert not WarningList.objects.exists()


def test_an_expression_that_would_never_end_costs_no_time(in_tenant) -> None:
    warnings.take_in(_list("regex", "/^(a+)+$/", "/(x+x+)+y/"), actor="operator:command")
    before = time.process_time()
    _keep(*(f"url:https://bad.test/{'a' * 300}{'x' * 60}{number}" for number in range(200)))
    assert time.process_time() - before < 3
    assert store.in_force().count() == 200


def test_expressions_that_are_too_large_together_break_nothing(in_tenant) -> None:
    large = [rf"[\w.-]{{1,60}}example{number}[\p{{L}}]{{1,10}}" for number in range(60)]
    unclosed = [r"\Qquoted", "(?P<one>a.test)", "(?P<one>b.test)"]
    row, left = warnings.take_in(_list("regex", *large, *unclosed), actor="operator:command")
    assert row.entries + len(left) == 63
    assert set(row.patterns) > set(unclosed)
    assert {why for _, why in left} == {
        "with the others of its list it is too large: it would make every import slow"
    }
    _keep("domain:a.test", "domain:b.test", "domain:c.test", BAD)
    with_large = [one for one in large if one in row.patterns]
    assert with_large
    assert {one.entity for one in store.in_force()} == {"domain:c.test", BAD}


@pytest.mark.parametrize(
    ("kind", "values"), [("regex", ("//", ".*", "/a*/")), ("substring", (".", "a"))]
)
def test_what_would_keep_everything_out_is_left_and_said(kind, values, in_tenant) -> None:
    _, left = warnings.take_in(_list(kind, *values, "harmless"), actor="operator:command")
    assert [value for value, why in left if "keep everything out" in why] == list(values)
    assert _keep(BAD).looked_for == 1


def test_what_is_no_warning_list_says_what_to_give(db) -> None:
    for content in (b"{}", b"<html>", b'{"name": "", "list": []}', _list("yara", "x")):
        with pytest.raises(BadList):
            warnings.take_in(content, actor="operator:command")


def test_warning_lists_are_taken_in_listed_and_removed_by_command(db, tmp_path, capsys) -> None:
    file = tmp_path / "list.json"
    file.write_bytes(_list("cidr", "185.220.0.0/16", "x"))
    _keep(BAD)
    call_command("intelligence", "warn", str(file))
    told = capsys.readouterr().out
    assert "Own list: 1 entries" in told
    assert "x: it is no address" in told
    call_command("intelligence", "warnings")
    assert "Own list" in capsys.readouterr().out
    call_command("intelligence", "unwarn", "Own list")
    assert store.in_force().count() == 1
    with pytest.raises(CommandError, match="no warning list"):
        call_command("intelligence", "unwarn", "Own list")


def test_an_address_that_everybody_meets_is_met_by_no_network_around_it(in_tenant) -> None:
    _keep("net:8.8.8.0/24", "net:104.16.0.0/12", "ip:142.250.1.1")
    assert _met("ip:8.8.8.8") == []
    assert _met("ip:104.17.2.3") == []
    assert _met("ip:8.8.8.9") == ["net:8.8.8.0/24"]
    assert Indicator.objects.get(entity="ip:142.250.1.1").not_matched.startswith("warning list")


def test_a_clients_own_names_and_addresses_are_no_sighting_there(tenant, other_tenant) -> None:
    own = ("domain:acme.example", "net:185.220.101.0/24", "domain:partner.test", "domain:gone.test")
    _keep(*own, BAD)
    with scope.tenant(tenant.id):
        make_account("a@acme.example")
        make_account("guest_partner.test#EXT#@acme.example", email="guest@partner.test")
        make_account("x@partner.test", kind=Account.Kind.GUEST)
        profiles.keep("law", "GB", [], own=["185.220.101.0/25", "gone.test"], actor="x")
        for number in range(3):
            Device.objects.create(
                provider="p", external_id=str(number), hostname=f"pc-{number}",
                attributes={"external_ip": "185.220.101.200"},
            )  # fmt: skip
        named = ["sender:b@mail.acme.example", BAD, "ip:185.220.101.200", "domain:www.gone.test"]
        assert _met(*named) == []
        assert _met("ip:185.220.101.201") == ["net:185.220.101.0/24"]
        assert _met("domain:partner.test") == ["domain:partner.test"]
    with scope.tenant(other_tenant.id):
        assert len(_met(*named)) == 4


def test_the_quality_of_a_source_is_what_became_of_its_cases(tenant, other_tenant) -> None:
    _keep(BAD, "domain:bad.test")
    _keep(BAD, source="second")
    for each, verdicts in (
        (tenant, ["true_positive", "false_positive"]),
        (other_tenant, ["benign"]),
    ):
        with scope.tenant(each.id):
            account = make_account()
            for verdict in verdicts:
                make_case(
                    account, verdict=verdict, entities=[BAD, "domain:a.bad.test"],
                    status=Case.Status.CLOSED, closed_at=NOW,
                )  # fmt: skip
            make_case(account, verdict="", entities=["domain:bad.test"])
        for _ in range(2):
            sightings.look(each.id, each.id)
    with scope.reading(scope.ALL):
        told = quality.by_source()
        assert told["feed"] == quality.Quality(attacks=1, harmless=2, undecided=2)
        assert told["second"] == quality.Quality(attacks=1, harmless=2)
        assert SourceQuality.objects.count() == 4


def test_what_was_counted_is_not_counted_again_and_what_came_late_is(tenant) -> None:
    _keep(BAD)
    with scope.tenant(tenant.id):
        _event(BAD, minutes_ago=20)
        _event(BAD, minutes_ago=10)
    sightings.look(tenant.id, tenant.id)
    sightings.look(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        assert sightings.shown().get().events == 2
        # It came late: it happened long before what was counted.
        _event(BAD, minutes_ago=6, happened_days_ago=20)
    sightings.look(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        found = sightings.shown().get()
        assert found.events == 3
        assert NOW - found.first_at > dt.timedelta(days=19)
