"""What is measured of a rule, what is wrong with it, and what it covers where its feeds come."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations import registry
from integrations.alerting import coverage, measuring, rulebook, sources, stages
from integrations.alerting.sources import Reach
from integrations.detection import fields
from integrations.models import Connection, FeedState
from msp.console import detection_pages
from tenants import scope
from tenants.models import Case, Finding, Tenant, Verdict
from tests.integrations.alerting.rules import IDS, install, record, rule, take
from tests.pipeline import drain

pytestmark = pytest.mark.django_db


def _row(name: str, tenant: Tenant) -> detection_pages.Row:
    with scope.reading([tenant.id]):
        rows = detection_pages.rows([tenant])
    return next(row for row in rows if row.entry.id == IDS[name])


def _feed(tenant: Tenant, feed: str = "unified_audit", *, silent: bool = False) -> FeedState:
    with scope.tenant(tenant.id):
        connection, _ = Connection.objects.get_or_create(connector="microsoft365", name="M365")
        return FeedState.objects.create(
            connection=connection, feed=feed, last_record_at=None if silent else timezone.now()
        )


def test_precision_is_what_the_verdicts_of_its_cases_say(tenant) -> None:
    install(rule("a"))
    with scope.tenant(tenant.id):
        take(*(record("a", UserId=f"user{n}@acme.example") for n in range(4)))
        drain(["triage"])
        verdicts = [
            Verdict.TRUE_POSITIVE, Verdict.SUSPICIOUS, Verdict.BENIGN, Verdict.INSUFFICIENT_DATA,
        ]  # fmt: skip
        for case, verdict in zip(Case.objects.order_by("number"), verdicts, strict=True):
            case.verdict = verdict
            case.save(update_fields=["verdict"])
    with scope.reading([tenant.id]):
        found = measuring.of_tenants([tenant.id])[IDS["a"]]
    assert (found.week, found.month, found.findings) == (4, 4, 4)
    assert (found.right, found.wrong, found.precision) == (2, 1, 67)


def test_a_rule_in_shadow_is_measured_by_the_cases_beside_its_hits(tenant) -> None:
    install(rule("a"))
    install(rule("b"), stage="shadow")
    now = timezone.now()

    def of(person: int, after: dt.timedelta = dt.timedelta()) -> dict[str, str]:
        return {"UserId": f"user{person}@acme.example", "at": f"{now + after:%Y-%m-%dT%H:%M:%S}"}

    with scope.tenant(tenant.id):
        take(*(record("a", **of(n)) for n in range(4)))
        drain(["triage"])
        verdicts = [
            Verdict.TRUE_POSITIVE, Verdict.SUSPICIOUS, Verdict.BENIGN, Verdict.INSUFFICIENT_DATA,
        ]  # fmt: skip
        for case, verdict in zip(Case.objects.order_by("number"), verdicts, strict=True):
            case.verdict = verdict
            case.save(update_fields=["verdict"])
        # Of each case's person once, once again of the first, of somebody else, and long before.
        take(*(record("b", **of(n)) for n in (0, 0, 1, 2, 3, 9)))
        take(record("b", **of(2, dt.timedelta(days=-3))))
    with scope.reading([tenant.id]):
        found = measuring.of_tenants([tenant.id])[IDS["b"]]
    assert (found.shadow_right, found.shadow_wrong, found.precision) == (2, 1, None)
    _feed(tenant)
    row = _row("b", tenant)
    assert row.kinds == {"ready"}
    assert "2 of 3 decided cases" in row.told[0][1].words
    with scope.tenant(tenant.id):
        Case.objects.filter(verdict=Verdict.TRUE_POSITIVE).update(verdict=Verdict.BENIGN)
        take(*(record("b", **of(0)) for _ in range(2)))
    assert _row("b", tenant).kinds == set()


def test_a_noisy_rule_in_shadow_hides_no_other(tenant, monkeypatch) -> None:
    monkeypatch.setattr(measuring, "_MOST_SHADOW_HITS", 5)
    install(rule("a"))
    install(rule("b"), rule("c"), stage="shadow")
    now = f"{timezone.now():%Y-%m-%dT%H:%M:%S}"

    def of(name: str, *people: int) -> list[dict[str, object]]:
        return [record(name, at=now, UserId=f"user{n}@acme.example") for n in people]

    with scope.tenant(tenant.id):
        take(*of("a", 0, 1, 2))
        drain(["triage"])
        Case.objects.update(verdict=Verdict.TRUE_POSITIVE)
        take(*of("b", 0, 1))
        take(*of("c", *range(3, 9)))
    with scope.reading([tenant.id]):
        assert measuring.of_tenants([tenant.id])[IDS["b"]].shadow_right == 2
    _feed(tenant)
    assert _row("b", tenant).kinds == set()
    with scope.tenant(tenant.id):
        take(*of("b", 2))
    assert _row("b", tenant).kinds == {"ready"}


def test_a_rule_without_its_log_source_is_blind(tenant) -> None:
    install(rule("a"))
    assert _row("a", tenant).kinds == {"blind"}
    assert "Microsoft 365: " in _row("a", tenant).told[0][1].fix
    state = _feed(tenant, silent=True)
    # Connected just now: nobody has to look why nothing came yet.
    assert _row("a", tenant).kinds.isdisjoint(detection_pages.URGENT)
    with scope.tenant(tenant.id):
        before = timezone.now() - dt.timedelta(days=8)
        Connection.objects.filter(id=state.connection_id).update(created_at=before)
    assert _row("a", tenant).kinds == {"silent"}
    with scope.tenant(tenant.id):
        FeedState.objects.filter(id=state.id).update(last_record_at=timezone.now())
    assert _row("a", tenant).kinds == {"never"}
    with scope.tenant(tenant.id):
        take(record("a"))
    assert _row("a", tenant).kinds == set()


def test_a_rule_for_what_comes_as_alerts_is_said_to_be(tenant) -> None:
    install(rule("a", logsource={"product": "azure", "service": "riskdetection"}))
    _feed(tenant, "risk_detections")
    assert _row("a", tenant).kinds == {"alerts"}


def test_rules_that_do_the_same_are_shown(tenant) -> None:
    same = {"it": {"Operation": "Test-a"}, "condition": "it"}
    wide = {"it": {"Operation|startswith": "Test-c"}, "condition": "it"}
    install(rule("a"), rule("b", detection=same), rule("c"), rule("d", detection=wide))
    _feed(tenant)
    with scope.tenant(tenant.id):
        take(*(record("c") for _ in range(4)))
        assert "duplicate" not in _row("d", tenant).kinds
        take(record("c"))
    assert "duplicate" in _row("b", tenant).kinds
    assert "duplicate" in _row("d", tenant).kinds
    assert "duplicate" not in _row("c", tenant).kinds


def test_a_flood_is_said(tenant) -> None:
    install(rule("a"))
    _feed(tenant)
    with scope.tenant(tenant.id):
        take(*(record("a") for _ in range(40)))
    row = _row("a", tenant)
    assert row.kinds == {"loud"}
    assert "10 hits" in row.told[0][1].words


def test_coverage_follows_stages_and_feeds(tenant, other_tenant) -> None:
    install(rule("a", tags=["attack.t9999", "attack.stealth"]))
    ids = [tenant.id, other_tenant.id]

    def technique() -> coverage.Technique:
        with scope.reading(ids):
            return next(one for one in coverage.of_tenants(ids) if one.id == "T9999")

    assert (technique().covered, technique().blind) == (0, 2)
    _feed(tenant)
    found = technique()
    assert (found.covered, found.watched, found.blind) == (1, 0, 1)
    assert found.tactics == ("stealth",)
    assert found.missing == ("microsoft365 unified_audit",)
    with scope.tenant(tenant.id):
        stages.set_for_tenant(IDS["a"], "shadow", actor="test", why="To be seen.")
    assert (technique().covered, technique().watched) == (0, 1)


def test_what_to_connect_begins_with_products_that_are_there(tenant) -> None:
    _feed(tenant, "users")
    with scope.reading([tenant.id]):
        found = coverage.of_tenants([tenant.id])
    products = [[feed.partition(" ")[0] for feed in one.missing] for one in found]
    both = [one for one in products if "microsoft365" in one and min(one) < "microsoft365"]
    assert both
    assert {one[0] for one in both} == {"microsoft365"}


def test_a_webhook_covers_what_its_sender_sent_and_nothing_else(tenant) -> None:
    install(rule("a"), rule("b", logsource={"product": "azure", "service": "signinlogs"}))
    with scope.tenant(tenant.id):
        connection = Connection.objects.create(connector="webhook", name="Collector")
        state = FeedState.objects.create(connection=connection, feed="json")
    assert _row("a", tenant).kinds == {"blind"}
    with scope.tenant(tenant.id):
        FeedState.objects.filter(id=state.id).update(last_record_at=timezone.now())
    assert _row("a", tenant).kinds == {"blind"}
    with scope.tenant(tenant.id):
        take(record("a"), connector="webhook", feed="json")
    assert _row("a", tenant).kinds == set()
    assert _row("b", tenant).kinds == {"blind"}


def test_no_client_sees_what_was_found_at_another(tenant, other_tenant) -> None:
    install(rule("a"))
    with scope.tenant(tenant.id):
        take(record("a"))
    with scope.reading([other_tenant.id]):
        assert measuring.of_tenants([tenant.id, other_tenant.id]) == {}
        assert not Finding.in_scope().exists()


def test_each_log_source_that_feeds_bring_is_of_a_known_shape_and_feed() -> None:
    shapes = {
        (source.product, source.service, source.category)
        for shape in fields.shapes()
        for source in shape.sources
    }
    for one in sources.known():
        registry.connector(one.connector).feed(one.feed)
        for source in (*one.brings, *one.alerts):
            assert (source.product, source.service, source.category) in shapes, one


def test_every_own_technique_has_a_tactic_and_a_proof(db) -> None:
    for entry in rulebook.current().entries.values():
        if not rulebook.current().only_counted(entry):
            assert coverage.proofs(entry.file), entry.file
    with scope.reading(scope.ALL):
        assert all(one.tactics for one in coverage.of_tenants([]))
    assert sources.Feeding(()).reach(()) is Reach.BLIND
