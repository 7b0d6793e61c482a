"""Indicators are kept, brought up to date, read from TAXII, looked for, and counted a client."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import ocsf
from integrations.errors import VendorError
from integrations.intelligence import coverage, profiles, sightings, store, taxii
from integrations.intelligence.found import Found
from integrations.models import Indicator, Sighting, ThreatProfile
from integrations.transport import Transport
from playbooks import own_answers
from tenants import scope
from tenants.models import Case, Event, RawRecord, Work
from tests.playbooks.cases import make_account, make_case

pytestmark = pytest.mark.django_db
BAD = "ip:185.220.101.5"
NOW = timezone.now()


def _keep(*entities: str, **told) -> store.Outcome:
    found = [Found(external_id=one, told=one, entity=one, **told) for one in entities]
    return store.keep("feed", found)


def test_what_a_source_tells_again_is_brought_up_to_date() -> None:
    assert _keep(BAD, "ip:8.8.8.8", confidence=60).as_json() == {
        "read": 2, "looked_for": 1,
        "not_matched": {"warning list: it is a public name server": 1},
    }  # fmt: skip
    _keep(BAD, confidence=90)
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


def _event(case: Case, *entities: str) -> None:
    raw = RawRecord.objects.create(
        connector="c", feed="f", received_at=NOW, body=b"", content_hash="", outcome="event"
    )
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


class _Taxii(BaseHTTPRequestHandler):
    """Two collections, one of two pages; only who signs in is answered."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        is_known = self.headers["Authorization"] == "Bearer t0ken"
        is_asked_right = self.headers["Accept"] == "application/taxii+json;version=2.1"
        told: dict = {}
        if parts.path == "/api1/collections/":
            told = {"collections": [{"id": "c1", "title": "One"}, {"id": "c2", "can_read": False}]}
        elif parts.path == "/api1/collections/c1/objects/":
            following = parse_qs(parts.query).get("next", [""])[0]
            told = {"objects": [_stix("2" if following else "1")]}
            told |= {} if following else {"more": True, "next": "page 2"}
        elif parts.path == "/api1/collections/round/objects/":
            told = {"objects": [], "more": True, "next": "same"}
        self.send_response(200 if is_known and is_asked_right else 401)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _stix(number: str) -> dict:
    return {
        "type": "indicator", "id": f"indicator--{number}", "pattern_type": "stix",
        "pattern": f"[domain-name:value = 'bad{number}.test']",
    }  # fmt: skip


@pytest.fixture
def root(settings) -> Iterator[str]:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
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
    assert json.loads(capsys.readouterr().out)["looked_for"] == 2
    assert set(Indicator.objects.values_list("entity", flat=True)) == {
        "domain:bad1.test", "domain:bad2.test",
    }  # fmt: skip
    assert Work.objects.filter(kind="sight", tenant_id=tenant.id).exists()
    call_command("intelligence", "list")
    assert capsys.readouterr().out == "isac: 2 kept, 2 looked for\n"
    secret.write_text("wrong")
    with pytest.raises(CommandError):
        call_command("intelligence", "import", *how, "--collection", "c1")


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


def test_a_profile_ranks_techniques_and_says_what_covers_them(in_tenant) -> None:
    rules = {"T1566.002": ("Phishing link",), "T1003": ("Dumping",)}
    row = profiles.keep("law", "gb", ["active_directory"], actor="technician:mira")
    ranked = profiles.rank(row, rules)
    assert (ranked[0].technique, ranked[0].weight) == ("T1566", 6)
    assert ranked[0].rules == ("Phishing link",)
    assert ranked[0].why == ("every company", "Law and accounting")
    assert len(ranked) > len(profiles.rank(None, rules))
    for wrong in (("nothing", "", []), ("law", "Britain", []), ("law", "", ["telex"])):
        with pytest.raises(profiles.BadProfile):
            profiles.keep(*wrong, actor="x")
    assert ThreatProfile.objects.get().country == "GB"


def test_the_rules_that_come_with_holdfast_cover_something() -> None:
    assert len(coverage.by_technique()) > 30
