"""Indicators are kept, brought up to date, read from TAXII, looked for, and counted a client."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import ocsf, techniques
from integrations.alerting import rulebook
from integrations.alerting.coverage import Covering, Technique
from integrations.errors import VendorError
from integrations.intelligence import holes, profiles, reading, sightings, store, taxii
from integrations.intelligence.found import Found
from integrations.models import Indicator, Sighting, SightingLook, ThreatProfile
from integrations.transport import Transport
from playbooks.investigating import own_answers
from tenants import scope
from tenants.models import Case, Event, RawRecord, Tenant, Work
from tests.playbooks.cases import make_account, make_case

pytestmark = pytest.mark.django_db
BAD = "ip:185.220.101.5"
NOW = timezone.now()


def _keep(*entities: str, **told) -> store.Outcome:
    found = [Found(external_id=one, told=one, entity=one, **told) for one in entities]
    return store.keep("feed", found)


def test_what_a_source_tells_again_is_brought_up_to_date() -> None:
    assert _keep(BAD, "ip:8.8.8.8", confidence=60).as_json() == {
        "read": 2, "looked_for": 1, "added": 1,
        "not_matched": {"warning list: it is a public name server": 1},
    }  # fmt: skip
    assert _keep(BAD, confidence=90).added == 0
    row = Indicator.objects.get(entity=BAD)
    assert row.confidence == 90
    assert row.expires_at is not None
    _keep(BAD, is_revoked=True)
    assert not store.in_force().exists()
    assert Indicator.objects.count() == 2


def test_what_is_over_or_not_yet_is_not_looked_for() -> None:
    _keep("domain:old.test", expires_at=NOW - dt.timedelta(days=1))
    _keep("domain:later.test", valid_from=NOW + dt.timedelta(days=1))
    _keep("cve:cve-2026-1")
    assert [one.entity for one in store.in_force()] == ["cve:cve-2026-1"]
    assert Indicator.objects.get(entity="cve:cve-2026-1").expires_at is None


def test_what_a_database_cannot_hold_fails_no_import() -> None:
    """A NUL in a comment, and ids that are the same as far as they can be kept."""
    long = "x" * 400
    found = [
        Found(external_id=f"{long}{number}", told="a\0b", entity=BAD, title="no\0te\ud800")
        for number in (1, 1, 2)
    ]
    assert store.keep("f" * 300, found).read == 2
    assert set(Indicator.objects.values_list("title", flat=True)) == {"no\ufffdte?"}


def test_what_an_indicator_pointed_at_before_it_was_changed_is_not_looked_for() -> None:
    for entity in (BAD, "domain:new.test"):
        store.keep("feed", [Found(external_id="indicator--1", told=entity, entity=entity)])
    assert [one.entity for one in store.in_force()] == ["domain:new.test"]


def _event(case: Case, *entities: str, minutes_ago: float = 10) -> None:
    raw = RawRecord.objects.create(
        connector="c", feed="f", received_at=timezone.now() - dt.timedelta(minutes=minutes_ago),
        body=b"", content_hash="", outcome="event",
    )  # fmt: skip
    Event.objects.create(
        raw=raw, connector="c", uid=str(raw.id), class_uid=ocsf.AUTHENTICATION,
        time=case.last_activity_at - dt.timedelta(minutes=5),
        entities=["account:priya.shah@acme.example", *entities], ocsf={},
    )  # fmt: skip


def test_a_case_is_told_what_its_alerts_and_the_events_around_it_name(in_tenant) -> None:
    _keep(BAD, confidence=80)
    _keep("domain:bad.test", confidence=60)
    _keep("ip:185.220.101.9")
    case = make_case(make_account(), entities=["url:https://www.bad.test/login"])
    _event(case, BAD)
    told = own_answers.tell("indicator.list_matches", case, {})
    assert [(one["name"], one["in_alert"]) for one in told["matches"]] == [
        (BAD, False), ("domain:bad.test", True),
    ]  # fmt: skip
    assert (told["count"], told["highest_confidence"]) == (2, 80)


def test_sightings_are_counted_and_counted_anew_for_each_client(tenant, other_tenant) -> None:
    _keep(BAD, "domain:unseen.test")
    with scope.tenant(tenant.id):
        case = make_case(make_account(), entities=[BAD])
        _event(case, BAD)
        _event(case, BAD)
    for _ in range(2):
        sightings.look(tenant.id, tenant.id)
        sightings.look(other_tenant.id, other_tenant.id)
    with scope.reading(scope.ALL):
        (one,) = Sighting.objects.all()
        assert (one.tenant_id, one.events, one.cases) == (tenant.id, 2, 1)
        assert Work.objects.filter(kind="sight").count() == 2


def _counted(tenant) -> dict[str, tuple[int, int]]:
    sightings.look(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        rows = sightings.shown().select_related("indicator")
        return {one.indicator.entity: (one.events, one.cases) for one in rows}


def test_only_what_came_since_is_counted_and_all_of_it_when_something_new_is_known(tenant) -> None:
    _keep("domain:bad.test", BAD)
    with scope.tenant(tenant.id):
        case = make_case(make_account(), entities=["url:https://a.bad.test/x"])
        _event(case, "url:https://a.bad.test/x", "domain:bad.test", "domain:late.test")
        _event(case, BAD, minutes_ago=0)
    assert _counted(tenant) == {"domain:bad.test": (1, 1)}
    with scope.tenant(tenant.id):
        place = SightingLook.objects.get()
        assert not place.is_whole
        _event(case, "sender:x@bad.test", minutes_ago=6)
    assert _counted(tenant) == {"domain:bad.test": (2, 1)}
    _keep("domain:late.test")
    assert "domain:late.test" not in _counted(tenant)
    sightings.look_again()
    assert _counted(tenant) == {"domain:bad.test": (2, 1), "domain:late.test": (1, 0)}


def test_what_is_taken_back_is_gone_from_the_next_whole_look(tenant) -> None:
    _keep(BAD)
    with scope.tenant(tenant.id):
        _event(make_case(make_account()), BAD)
    assert _counted(tenant) == {BAD: (1, 0)}
    _keep("domain:other.test")
    _keep(BAD, expires_at=timezone.now() - dt.timedelta(days=1))
    with scope.tenant(tenant.id):
        SightingLook.objects.update(whole_at=timezone.now() - dt.timedelta(days=2))
    assert _counted(tenant) == {}


def test_a_long_look_lets_others_go_first_and_shows_nothing_half(tenant, monkeypatch) -> None:
    monkeypatch.setattr(sightings, "_RECORDS_AT_ONCE", 1)
    monkeypatch.setattr(sightings, "_SLICES_AT_ONCE", 2)
    _keep(BAD)
    with scope.tenant(tenant.id):
        case = make_case(make_account())
        for minutes in (10, 11, 12):
            _event(case, BAD, minutes_ago=minutes)
    assert _counted(tenant) == {}
    assert Work.objects.get(kind="sight").lane == sightings.LANE
    assert _counted(tenant) == {BAD: (3, 0)}


def test_clients_who_left_are_not_looked_at_and_new_ones_are(tenant, other_tenant) -> None:
    _keep(BAD)
    Tenant.objects.filter(id=other_tenant.id).update(is_active=False)
    assert sightings.plan() == 1
    assert sightings.plan() == 0
    assert [row.tenant_id for row in Work.objects.filter(kind="sight")] == [tenant.id]
    sightings.look(other_tenant.id, other_tenant.id)
    with scope.reading(scope.ALL):
        assert not SightingLook.objects.exists()


class _Taxii(BaseHTTPRequestHandler):
    """Two collections, one of two pages; only who signs in is answered."""

    asked: list[dict[str, list[str]]] = []

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        is_known = self.headers["Authorization"] in ("Bearer t0ken", "Basic bWlzcDpwdzpkIQ==")
        is_asked_right = self.headers["Accept"] == "application/taxii+json;version=2.1"
        told: dict = {}
        if parts.path == "/api1/table.csv":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"type,value\ndomain,bad.test\n")
            return
        if parts.path == "/api1/collections/":
            told = {"collections": [{"id": "c1", "title": "One"}, {"id": "c2", "can_read": False}]}
        elif parts.path == "/api1/collections/c1/objects/":
            asked = parse_qs(parts.query)
            self.asked.append(asked)
            told = {} if asked.get("added_after") else _page(asked.get("next", [""])[0])
        elif parts.path == "/api1/collections/by-time/objects/":
            after = parse_qs(parts.query).get("added_after", [""])[0]
            told = {"objects": [_stix("2")]} if after else {"objects": [_stix("1")], "more": True}
        elif parts.path == "/api1/collections/round/objects/":
            told = {"objects": [], "more": True, "next": "same"}
        self.send_response(200 if is_known and is_asked_right else 401)
        if told.get("objects"):
            self.send_header("X-TAXII-Date-Added-Last", f"2026-11-0{len(self.asked) + 1}T00:00:00Z")
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _page(following: str) -> dict:
    told: dict = {"objects": [_stix("2" if following else "1")]}
    return told if following else told | {"more": True, "next": "page 2"}


def _stix(number: str) -> dict:
    return {
        "type": "indicator", "id": f"indicator--{number}", "pattern_type": "stix",
        "pattern": f"[domain-name:value = 'bad{number}.test']",
    }  # fmt: skip


@pytest.fixture
def root(settings) -> Iterator[str]:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    _Taxii.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taxii)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api1/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_taxii_collection_is_read_page_by_page(root, tenant, tmp_path, capsys) -> None:
    secret = tmp_path / "token"
    secret.write_text("t0ken\n")
    how = ["--taxii", root, "--secret-file", str(secret)]
    call_command("intelligence", "import", *how)
    assert capsys.readouterr().out == "c1  One\n"
    call_command("intelligence", "import", *how, "--collection", "c1", "--source", "isac", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["looked_for"], told["added"]) == (2, 2)
    assert set(Indicator.objects.values_list("entity", flat=True)) == {
        "domain:bad1.test", "domain:bad2.test",
    }  # fmt: skip
    assert Work.objects.filter(kind="sight", tenant_id=tenant.id).exists()
    call_command("intelligence", "list")
    assert capsys.readouterr().out == "isac: 2 kept, 2 looked for\n"
    secret.write_text("pw:d!")
    call_command("intelligence", "import", *how, "--username", "misp")
    secret.write_text("wrong")
    with pytest.raises(CommandError):
        call_command("intelligence", "import", *how, "--collection", "c1")


def test_a_collection_is_gone_on_with_where_it_was(root, tenant, tmp_path, capsys) -> None:
    secret = tmp_path / "token"
    secret.write_text("t0ken")
    how = ["--taxii", root, "--secret-file", str(secret), "--collection", "c1", "--json"]
    for more in ([], [], ["--whole"]):
        call_command("intelligence", "import", *how, *more)
    read = [json.loads(line)["read"] for line in capsys.readouterr().out.splitlines()]
    assert read == [2, 0, 2]
    after = [one.get("added_after") for one in _Taxii.asked]
    assert after == [None, None, ["2026-11-03T00:00:00Z"], None, None]
    assert all(one["match[type]"][0].startswith("indicator,") for one in _Taxii.asked)


def test_a_server_that_tells_no_next_page_is_asked_by_time(root) -> None:
    transport = Transport(allow_private=True)
    pages = list(taxii.pages(taxii.Server(root, token="t0ken"), "by-time", transport))
    assert [one.envelope["objects"] for one in pages] == [[_stix("1")], [_stix("2")]]
    transport.close()


def test_a_table_at_an_address_is_read(root, tenant) -> None:
    call_command("intelligence", "import", "--url", f"{root}table.csv")
    assert Indicator.objects.get().entity == "domain:bad.test"


def test_a_server_that_never_ends_is_left(root) -> None:
    transport = Transport(allow_private=True)
    server = taxii.Server(root, token="t0ken")
    with pytest.raises(VendorError, match="not where"):
        list(taxii.pages(server, "round", transport))
    transport.close()


def test_private_addresses_are_out_of_reach(db, settings) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = False
    with pytest.raises(CommandError):
        call_command("intelligence", "import", "--url", "https://127.0.0.1/kev.json")
    with pytest.raises(CommandError, match="one of them"):
        call_command("intelligence", "import")


def _covered(technique: str, **states: int) -> Technique:
    told = {"covered": 0, "watched": 0, "blind": 0, **states}
    rule = Covering(SimpleNamespace(title=f"Rule for {technique}"), 1, 0, 1, 1)
    return Technique(technique, (), (rule,), missing=(), **told)


def test_only_rules_whose_log_source_comes_are_said_to_cover() -> None:
    rules = tuple(
        Covering(SimpleNamespace(title=title), live, 1 - live, seen, 1)
        for title, live, seen in (
            ("Sees it", 1, 1), ("For another product", 1, 0), ("In shadow", 0, 1)
        )
    )  # fmt: skip
    known = Technique("T1566", (), rules, covered=1, watched=0, blind=0, missing=())
    [told] = [one for one in profiles.rank(None, [known]) if one.technique == "T1566"]
    assert (told.state, told.rules) == ("covered", ("Sees it",))


def test_a_profile_ranks_techniques_and_says_what_covers_them(in_tenant) -> None:
    known = [
        _covered("T1566.002", covered=1),
        _covered("T1566", blind=1),
        _covered("T1003", blind=1),
    ]
    row = profiles.keep("law", "gb", ["active_directory"], actor="technician:mira")
    ranked = {one.technique: one for one in profiles.rank(row, known)}
    assert next(iter(ranked)) == "T1566"
    assert ranked["T1566"].weight == 9
    assert ranked["T1566"].why == ("every company", "Law and accounting", "United Kingdom")
    assert (ranked["T1566"].state, ranked["T1566"].rules) == ("covered", ("Rule for T1566.002",))
    assert ranked["T1003"].state == "blind"
    assert ranked["T1558"].state == "none"
    assert len(ranked) > len(profiles.rank(None, known))
    for wrong in (("nothing", "", []), ("law", "Britain", []), ("law", "", ["telex"])):
        with pytest.raises(profiles.BadProfile):
            profiles.keep(*wrong, actor="x")
    assert ThreatProfile.objects.get().country == "GB"


def test_each_reason_names_known_techniques_and_each_country_where_it_stands() -> None:
    told = profiles.told()
    of_countries = told["countries"].values()
    assert all(one["source"].startswith("https://") and one["says"] for one in of_countries)
    named = [told["everybody"]]
    named += [one["techniques"] for one in (*of_countries, *told["sectors"].values())]
    named += [one["techniques"] for one in told["tools"].values()]
    assert [one for each in named for one in each if not techniques.name_of(one)] == []
    swedish = ThreatProfile(sector="other", country="SE", version=1)
    assert [one.title for one in profiles.reasons(swedish)] == [
        "every company", "Something else", "European Union",
    ]  # fmt: skip


def test_techniques_of_our_rules_have_a_name() -> None:
    assert techniques.titled("T1003.001") == "T1003.001 OS Credential Dumping: LSASS Memory"
    assert techniques.titled("T9999") == "T9999"
    named = {one for entry in rulebook.current().entries.values() for one in entry.techniques}
    assert len(named) > 30
    assert {one for one in named if not techniques.name_of(one)} == set()


def test_holes_that_are_known_to_be_used_are_told_by_computer_until_they_are_closed(tenant) -> None:
    store.keep("kev", reading.read(json.dumps(KEV).encode()))
    with scope.tenant(tenant.id):
        _hole("NWD-LT-1", "cve:cve-2024-1", days_ago=2)
        _hole("NWD-LT-2", "cve:cve-2024-1", days_ago=3)
        _hole("NWD-LT-2", "cve:cve-2024-1", days_ago=1, activity=3)
        _hole("NWD-LT-3", "cve:cve-2024-9", days_ago=1)
        (found,) = holes.on_computers()
    assert (found.cve, found.computers) == ("CVE-2024-1", ("NWD-LT-1",))
    assert found.title == "Acme Gate: Way in"


KEV = {
    "vulnerabilities": [
        {"cveID": "CVE-2024-1", "vendorProject": "Acme", "product": "Gate",
         "vulnerabilityName": "Way in", "dateAdded": "2024-05-01"},
    ]
}  # fmt: skip


def _hole(computer: str, cve: str, *, days_ago: int, activity: int = 1) -> None:
    raw = RawRecord.objects.create(
        connector="wazuh", feed="v", received_at=NOW, body=b"", content_hash="", outcome="event"
    )
    Event.objects.create(
        raw=raw, connector="wazuh", uid=str(raw.id), class_uid=ocsf.VULNERABILITY_FINDING,
        time=NOW - dt.timedelta(days=days_ago), target=computer,
        entities=[f"device:{computer.lower()}", cve], ocsf={"activity_id": activity},
    )  # fmt: skip
