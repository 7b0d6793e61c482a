"""Sources of indicators are read on their schedule, with secrets sealed and failures seen."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from integrations.intelligence import fetching, sources, stix, store
from integrations.intelligence.sources import BadSource, Wish
from integrations.models import Indicator, IndicatorSource, NamedThreat
from integrations.transport import Limits
from msp import scheduler
from msp.pipeline import read_source
from tenants import scope, vault
from tenants.errors import VaultError
from tenants.models import LedgerEntry, Work

pytestmark = pytest.mark.django_db
FIRST, SECOND = "5b1c9d1e-0000-4000-8000-000000000001", "5b1c9d1e-0000-4000-8000-000000000002"


class _Server(BaseHTTPRequestHandler):
    """Answers what `told` holds for a path, to who signs in where `key` is set."""

    told: dict[str, object] = {}
    asked: list[str] = []
    key = ""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = self.told.get(self.path)
        is_in = not self.key or self.headers["Authorization"] == self.key
        status = 401 if not is_in else 404 if body is None else 200
        self.send_response(body if isinstance(body, int) else status)
        if isinstance(body, dict) and body.get("objects"):
            self.send_header("X-TAXII-Date-Added-Last", "2026-11-02T00:00:00Z")
        if body == 429:
            self.send_header("Retry-After", "7200")
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def root(settings) -> Iterator[str]:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    _Server.told, _Server.asked, _Server.key = {}, [], ""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _add(address: str, kind: str = "url", **more) -> IndicatorSource:
    return sources.add(Wish("isac", kind, address, **more), actor="technician:mira")


def _again(row: IndicatorSource) -> IndicatorSource:
    """Let the source be due, as at its time, and be read by a worker."""
    sources.read_soon(row.id)
    assert sources.unsent() == [row.id]
    fetching.read(row.id)
    return IndicatorSource.objects.get(id=row.id)


def test_a_source_is_read_at_once_and_then_on_its_schedule(root, tenant) -> None:
    _Server.told["/list.csv"] = b"type,value\ndomain,bad.test\n"
    _Server.key = "Bearer s3cret"
    row = _add(f"{root}/list.csv", secret="s3cret", every_hours=6, confidence=70)
    assert sources.unsent() == [row.id]
    assert sources.unsent() == []
    fetching.read(row.id)
    fetching.read(row.id)
    assert _Server.asked == ["/list.csv"]
    row.refresh_from_db()
    assert (row.error, row.failures, row.outcome["added"]) == ("", 0, 1)
    assert dt.timedelta(hours=5) < row.due_at - timezone.now() <= dt.timedelta(hours=6)
    assert Indicator.objects.get().confidence == 70
    assert Work.objects.filter(kind="sight", tenant_id=tenant.id).exists()


def test_a_list_that_tells_nothing_new_has_no_client_looked_through(root, tenant) -> None:
    """Also where it tells what is over, or not yet."""
    lines = [
        "type,value,expires", "domain,bad.test,", "domain,over.test,2020-01-01", "ip,10.0.0.1,",
    ]  # fmt: skip
    _Server.told["/list.csv"] = "\n".join(lines).encode()
    row = _again(_add(f"{root}/list.csv"))
    assert (row.outcome["read"], row.outcome["looked_for"], row.outcome["added"]) == (3, 1, 1)
    assert Work.objects.filter(kind="sight", tenant_id=tenant.id).exists()
    Work.objects.all().delete()
    row = _again(row)
    assert (row.error, row.outcome["added"]) == ("", 0)
    assert not Work.objects.exists()


def test_what_came_before_a_break_off_is_looked_for(root, tenant) -> None:
    _Server.told = {
        "/feed/manifest.json": {FIRST: {"timestamp": "1"}, SECOND: {"timestamp": "2"}},
        f"/feed/{FIRST}.json": _misp(1), f"/feed/{SECOND}.json": 403,
    }  # fmt: skip
    row = _again(_add(f"{root}/feed/", "misp"))
    assert "not allowed" in row.error
    assert Work.objects.filter(kind="sight", tenant_id=tenant.id).exists()
    Work.objects.all().delete()
    assert "not allowed" in _again(row).error
    assert not Work.objects.exists()


def test_the_scheduler_has_workers_read_what_is_due(root, monkeypatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(read_source, "send", sent.append)
    row = _add(f"{root}/list.csv")
    assert scheduler.send_sources() == 1
    assert sent == [str(row.id)]


def test_what_fails_is_shown_and_tried_again_later_each_time(root) -> None:
    row = _add(f"{root}/gone.json", every_hours=1)
    fetching.read(row.id)
    for failures, minutes in ((1, 5), (2, 10), (3, 20)):
        row.refresh_from_db()
        assert row.failures == failures
        assert abs(row.due_at - timezone.now() - dt.timedelta(minutes=minutes)).seconds < 20
        row = _again(row)
    assert "127.0.0.1/gone.json" in row.error
    _Server.told["/gone.json"] = 429
    row = _again(row)
    assert row.due_at - timezone.now() > dt.timedelta(minutes=119)
    _Server.told["/gone.json"] = {"vulnerabilities": [{"cveID": "CVE-2026-1"}]}
    row = _again(row)
    assert (row.error, row.failures) == ("", 0)


def test_a_worker_that_died_is_followed_by_another(root) -> None:
    row = _add(f"{root}/list.csv")
    assert sources.claim(row.id) is not None
    assert sources.claim(row.id) is None
    assert sources.unsent() == []
    IndicatorSource.objects.update(leased_until=timezone.now())
    assert sources.unsent() == [row.id]
    assert sources.claim(row.id) is not None


def _stix(number: int) -> dict:
    return {
        "type": "indicator", "id": f"indicator--{number}", "pattern_type": "stix",
        "pattern": f"[domain-name:value = 'bad{number}.test']",
    }  # fmt: skip


def test_a_collection_keeps_its_place_between_readings(root) -> None:
    place = f"/api1/collections/c1/objects/?{urlencode({'match[type]': ','.join(stix.READ)})}"
    more = f"{place}&added_after=2026-11-02T00%3A00%3A00Z"
    _Server.told = {place: {"objects": [_stix(1)]}, more: {"objects": [_stix(2)]}}
    row = _again(_add(f"{root}/api1/", "taxii", collection="c1"))
    assert (row.error, row.reached) == ("", "2026-11-02T00:00:00Z")
    _again(row)
    assert _Server.asked == [place, more]
    assert Indicator.objects.count() == 2


def test_what_an_indicator_points_at_is_told_to_it_from_whatever_page_and_reading(root) -> None:
    place = f"/api1/collections/c1/objects/?{urlencode({'match[type]': ','.join(stix.READ)})}"
    more = f"{place}&added_after=2026-11-02T00%3A00%3A00Z"
    actor = {"type": "threat-actor", "id": "threat-actor--1", "name": "Bear"}
    relation = {
        "type": "relationship", "id": "relationship--1", "relationship_type": "indicates",
        "source_ref": "indicator--1", "target_ref": "threat-actor--1",
    }  # fmt: skip
    _Server.told = {place: {"objects": [_stix(1), actor]}, more: {"objects": [relation]}}
    row = _again(_add(f"{root}/api1/", "taxii", collection="c1"))
    assert Indicator.objects.get().about == []
    row = _again(row)
    assert (row.error, Indicator.objects.get().about) == ("", ["threat-actor: Bear"])
    _Server.told = {more: {"objects": [_stix(1)]}}
    _again(row)
    assert Indicator.objects.get().about == ["threat-actor: Bear"]
    sources.remove(row.id, actor="technician:mira")
    assert not NamedThreat.objects.exists()


def _misp(number: int) -> dict:
    row = {"uuid": str(number), "type": "domain", "value": f"bad{number}.test", "to_ids": True}
    return {"Event": {"info": "A campaign", "Attribute": [row]}}


def test_of_a_misp_feed_only_newer_events_are_read(root, monkeypatch) -> None:
    manifest = {FIRST: {"timestamp": "1700000000"}, SECOND: {"timestamp": "1700000100"}}
    _Server.told = {
        "/feed/manifest.json": manifest, f"/feed/{FIRST}.json": _misp(1),
        f"/feed/{SECOND}.json": _misp(2),
    }  # fmt: skip
    _Server.key = "k3y"
    monkeypatch.setattr(fetching, "_LONGEST_SECONDS", 0)
    row = _again(_add(f"{root}/feed/", "misp", secret="k3y", days=3650))
    # There was no time for any of it: it is gone on with at once.
    assert (row.error, row.due_at <= timezone.now()) == ("", True)
    monkeypatch.undo()
    row = _again(row)
    assert set(Indicator.objects.values_list("entity", flat=True)) == {
        "domain:bad1.test", "domain:bad2.test",
    }  # fmt: skip
    manifest[FIRST]["timestamp"] = "1800000000"
    _Server.asked.clear()
    _again(row)
    assert _Server.asked == ["/feed/manifest.json", f"/feed/{FIRST}.json"]
    _Server.told["/feed/manifest.json"] = []
    assert "no MISP manifest" in _again(row).error


def test_one_bad_event_of_a_misp_feed_stops_none_behind_it(root, monkeypatch) -> None:
    names = [f"5b1c9d1e-0000-4000-8000-{number:012}" for number in range(5)]
    _Server.told = {
        "/feed/manifest.json": {
            name: {"timestamp": str(1_700_000_000 + at)} for at, name in enumerate(names)
        },
        f"/feed/{names[1]}.json": b"<html>", f"/feed/{names[2]}.json": {"Event": None},
        f"/feed/{names[3]}.json": b" " * 2000, f"/feed/{names[4]}.json": _misp(4),
    }  # fmt: skip
    monkeypatch.setattr(fetching, "_LIMITS", Limits(largest_body=1000))
    row = _again(_add(f"{root}/feed/", "misp"))
    assert (row.error, row.outcome["added"]) == ("", 1)
    assert row.reached.endswith(names[4])
    assert row.outcome["not_matched"] == {
        "a whole event: it can't be read": 2, "a whole event: it is not there": 1,
        "a whole event: it is too large": 1,
    }  # fmt: skip
    _Server.asked.clear()
    _again(row)
    assert _Server.asked == ["/feed/manifest.json"]


def test_a_refused_event_of_a_misp_feed_is_asked_for_again(root) -> None:
    _Server.told = {
        "/feed/manifest.json": {FIRST: {"timestamp": "1"}}, f"/feed/{FIRST}.json": 403,
    }  # fmt: skip
    row = _again(_add(f"{root}/feed/", "misp"))
    assert "not allowed" in row.error
    assert row.reached == ""


def test_a_paused_source_is_not_read_and_a_removed_one_forgotten(root, tenant) -> None:
    _Server.told["/list.csv"] = b"type,value\ndomain,bad.test\n"
    row = _again(_add(f"{root}/list.csv", secret="s3cret"))
    sources.set_paused(row.id, paused=True, actor="technician:mira")
    sources.read_soon(row.id)
    assert sources.unsent() == []
    assert sources.claim(row.id) is None
    sources.set_paused(row.id, paused=False, actor="technician:mira")
    held = sources.claim(row.id)
    assert held is not None
    sources.remove(row.id, actor="technician:mira")
    with pytest.raises(BadSource, match="removed"):
        fetching._take(held, fetching.Read())
    assert not IndicatorSource.objects.exists()
    assert not store.in_force().exists()
    with scope.tenant(tenant.id):
        told = list(LedgerEntry.objects.order_by("id"))
    assert [one.kind.removeprefix("intelligence.source_") for one in told] == [
        "added", "paused", "resumed", "removed",
    ]  # fmt: skip
    assert "s3cret" not in json.dumps([one.body for one in told])


def test_a_secret_is_sealed_to_its_row_and_follows_the_key(root, settings) -> None:
    row = _add(f"{root}/list.csv", secret="s3cret")
    assert "s3cret" not in row.sealed_secret
    assert sources.secret_of(row) == "s3cret"
    with pytest.raises(VaultError):
        vault.open_own(row.sealed_secret, "indicator source of another")
    with override_settings(VAULT_KEYS={"new": b"n" * 32, **settings.VAULT_KEYS}):
        assert (sources.seal_anew(), sources.seal_anew()) == (1, 0)
    with override_settings(VAULT_KEYS={"new": b"n" * 32}):
        row.refresh_from_db()
        assert sources.secret_of(row) == "s3cret"
        assert sources.by_key() == {"new": 1}
    assert "MISSING" in _said("vault", "status")


def _said(*words: str) -> str:
    told = StringIO()
    call_command(*words, stdout=told)
    return told.getvalue()


def test_sources_are_added_and_changed_by_command(root, tmp_path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    address = f"{root}/list.csv"
    _said("intelligence", "add", "isac", "--url", address, "--secret-file", str(secret))
    _said("intelligence", "pause", "isac")
    told = _said("intelligence", "sources")
    assert told.startswith("isac: STIX, MISP, KEV or a list at an address, http://127.0.0.1:")
    assert "not read yet; paused" in told
    _said("intelligence", "resume", "isac")
    assert "removed" in _said("intelligence", "remove", "isac")
    with pytest.raises(CommandError, match="No source isac"):
        call_command("intelligence", "pause", "isac")
    with pytest.raises(CommandError, match="one of them"):
        call_command("intelligence", "add", "isac")


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish("", "url", "https://feeds.example/a"), "a name"),
        (Wish("a", "ftp", "https://feeds.example/a"), "one of taxii, url, misp"),
        (Wish("a", "taxii", "https://feeds.example/a"), "id of its collection"),
        (Wish("a", "url", "https://feeds.example/a", "c1"), "id of its collection"),
        (Wish("a", "url", "file:///etc/passwd"), "not a usable endpoint"),
        (Wish("a", "url", "http://127.0.0.1/a"), "must be https"),
        (Wish("a", "url", "https://127.0.0.1/a"), "private address"),
        (Wish("a", "url", "https://user:pw@127.0.0.1/a"), "without user name"),
        (Wish("a", "url", "https://feeds.example:99999/"), "not usable"),
        (Wish("a", "url", "https://[x"), "not usable"),
        (Wish("a", "url", "https://feeds.example/\0"), "control characters"),
        (Wish("a", "taxii", "https://feeds.example/a", "c\0"), "control characters"),
        (Wish("a", "url", "https://feeds.example/a", username="a\0"), "control characters"),
        (Wish("a", "url", "https://feeds.example/a", every_hours=0), "hours"),
        (Wish("a", "url", "https://feeds.example/a", days=-1), "days"),
    ],
)
def test_what_can_not_be_read_is_refused(db, settings, wish, said) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = False
    with pytest.raises(BadSource, match=said):
        sources.add(wish, actor="technician:mira")
    assert not IndicatorSource.objects.exists()
