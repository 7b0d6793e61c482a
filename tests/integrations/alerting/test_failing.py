"""A rule that fails takes nothing with it: it is counted, told of, and tried again."""

import pytest
from django.utils import timezone

from integrations import health
from integrations.alerting import failing, finding, importing, sighting
from integrations.alerting.rows import RuleFailure, RuleHit, RuleRetry
from integrations.detection import conditions
from integrations.models import Connection
from msp.console import detection_pages
from tenants.models import Event, Finding, Work
from tests.integrations.alerting.rules import IDS, correlation, install, record, rule, take
from tests.pipeline import drain, make_due

pytestmark = pytest.mark.django_db


def _break_keeping(monkeypatch, is_broken) -> None:
    """Have the database refuse to keep the hits that `is_broken` says."""
    kept = finding._row

    def row(hit, *others):
        made = kept(hit, *others)
        if is_broken(hit):
            made.level = "x" * 17
        return made

    monkeypatch.setattr(finding, "_row", row)


def _break_matching(monkeypatch, name: str) -> None:
    """Have the rule of a name fail on whatever it is tried on."""
    told = conditions.field_node

    def node(field, predicate):
        made = told(field, predicate)
        if predicate.condition != f"is 'Test-{name}'":
            return made
        return conditions.replace(made, test=lambda view: 1 / 0, leaf=None)

    monkeypatch.setattr("integrations.detection.compiling.field_node", node)


def _again() -> None:
    RuleRetry.objects.update(due_at=timezone.now())
    make_due("detect")
    drain(["detect"])


def test_a_hit_that_cannot_be_kept_fails_neither_page_nor_neighbours(in_tenant, monkeypatch):
    install(rule("a"), rule("b"))
    broken = record("a", UserId="broken@acme.example")
    _break_keeping(monkeypatch, lambda hit: "broken" in hit.event.actor)
    outcome = take(record("a"), broken, record("b"), record("a"))
    assert (outcome.events, outcome.detections) == (4, 3)
    assert RuleHit.objects.count() == Finding.objects.count() == 3
    row = RuleFailure.objects.get()
    assert (row.rule_id, row.connector, row.times, row.error) == (
        IDS["a"], "microsoft365", 1, "DataError",
    )  # fmt: skip
    assert RuleRetry.objects.get().event == Event.objects.get(uid__contains=broken["Id"])


def test_what_failed_is_found_once_it_is_mended(in_tenant, monkeypatch) -> None:
    install(rule("a"))
    with monkeypatch.context() as broken:
        _break_keeping(broken, lambda hit: True)
        assert take(*(record("a") for _ in range(20))).detections == 0
        assert RuleFailure.objects.get().times == 20
        _again()
        assert set(RuleRetry.objects.values_list("tries", flat=True)) == {1}
        assert Work.objects.filter(kind="detect").exists()
    _again()
    assert Finding.objects.count() == RuleHit.objects.count() == 20
    assert Work.objects.filter(kind="triage").exists()
    assert not RuleRetry.objects.exists()
    assert not RuleFailure.objects.exists()
    assert not Work.objects.filter(kind="detect").exists()


def test_a_rule_that_fails_on_events_is_counted_and_tried_again(in_tenant, monkeypatch) -> None:
    with monkeypatch.context() as broken:
        _break_matching(broken, "a")
        install(rule("a"), rule("b"))
        assert take(record("a"), record("b")).detections == 1
    assert (RuleFailure.objects.get().rule_id, RuleFailure.objects.get().error) == (
        IDS["a"], "ZeroDivisionError",
    )  # fmt: skip
    install(rule("c"))
    _again()
    assert Finding.objects.filter(title="Rule a").count() == 1
    assert Finding.objects.count() == 2


def test_a_rule_that_is_off_fails_unheard(in_tenant, monkeypatch) -> None:
    _break_matching(monkeypatch, "a")
    install(rule("a"), stage="off")
    assert take(record("a")).events == 1
    assert not RuleFailure.objects.exists()


def test_a_mistake_in_the_engine_keeps_no_event_out(in_tenant, monkeypatch) -> None:
    install(rule("a"))
    with monkeypatch.context() as broken:
        broken.setattr("integrations.detection.engine.Engine.detect", lambda *_: 1 / 0)
        assert take(record("a")).events == 1
    found = detection_pages.engine_failure([in_tenant])
    assert (found.times, found.waiting) == (1, 1)
    assert "once" in found.words
    _again()
    assert Finding.objects.get().title == "Rule a"
    assert detection_pages.engine_failure([in_tenant]) is None


def test_a_correlation_that_fails_is_not_the_rule_it_counts(in_tenant, monkeypatch) -> None:
    install(rule("a"), correlation("d", "event_count", "a", generate=True))
    with monkeypatch.context() as broken:
        broken.setattr(sighting, "_why", lambda *_: 1 / 0)
        take(record("a"), record("a"), record("a"))
    assert Finding.objects.filter(title="Rule a").count() == 3
    # Two are too few to fulfil it: only with the third it fails.
    assert RuleFailure.objects.get().rule_id == IDS["d"]
    _again()
    assert Finding.objects.get(title="Correlation d").ocsf["count"] == 3


def test_failures_are_shown_with_what_to_do(in_tenant, monkeypatch) -> None:
    install(rule("a"))
    _break_keeping(monkeypatch, lambda hit: True)
    take(record("a"), record("a"))
    row = next(row for row in detection_pages.rows([in_tenant]) if row.entry.id == IDS["a"])
    assert row.told[0][1].kind == "failing"
    assert "failed 2 times since" in row.told[0][1].words
    assert "import it again" in row.told[0][1].fix
    connection = Connection(connector="microsoft365")
    wrong = health.wrong_with(connection, [], {}, timezone.now())
    assert [one.kind for one in wrong] == ["rules"]
    assert "failed 2 times" in wrong[0].words
    connection.connector = "google_workspace"
    assert not health.wrong_with(connection, [], {}, timezone.now())


def test_a_flood_of_failures_is_bounded_and_told(in_tenant, monkeypatch) -> None:
    install(rule("a"))
    _break_keeping(monkeypatch, lambda hit: True)
    monkeypatch.setattr(failing, "MOST_WAITING", 30)
    take(*(record("a") for _ in range(50)))
    assert RuleRetry.objects.count() == 30
    assert (RuleFailure.objects.get().times, RuleFailure.objects.get().given_up) == (50, 20)
    for _ in range(10):
        _again()
    # After a week nothing is tried any more; what was lost stays in sight.
    assert not RuleRetry.objects.exists()
    assert RuleFailure.objects.get().given_up == 50


def test_a_mended_rule_is_tried_at_once(in_tenant, monkeypatch, tmp_path) -> None:
    install(rule("a"))
    with monkeypatch.context() as broken:
        _break_keeping(broken, lambda hit: True)
        take(record("a"))
    drain(["detect"])
    assert not Finding.objects.exists()
    path = tmp_path / "a.yml"
    path.write_text(str({**rule("a"), "description": "Mended."}), encoding="utf-8")
    importing.take(path, name="Test", actor="test")
    drain(["detect"])
    assert Finding.objects.get().description == "Mended."
