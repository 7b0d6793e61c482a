"""What an audit says of a SIEM: each kind of gap, and silence where nothing is wrong."""

import datetime as dt
from typing import Any

import pytest

from integrations import registry
from integrations.siem import expected, history
from integrations.siem.audit import audit, normalised, spoken
from integrations.siem.records import AnalyticsRule, Expected, Gap, Kind, LogSource, Survey, Unread

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
SIGN_INS = Expected(("SigninLogs",), "Microsoft 365", 6 * HOUR)
WINDOWS = Expected(("SecurityEvent", "WindowsEvent"), "Active Directory", 3 * HOUR)


def source(name: str = "SigninLogs", ago: dt.timedelta | None = HOUR, rows: int = 500) -> LogSource:
    return LogSource(name, rows, None if ago is None else NOW - ago)


def rule(title: str = "Rule", **more: Any) -> AnalyticsRule:
    told: dict[str, Any] = {
        "id": title, "is_enabled": True, "query": f"SigninLogs | where X == '{title}'",
        "sources": ("SigninLogs",), "changed_at": NOW - 30 * DAY, "alerts": 3,
    }  # fmt: skip
    return AnalyticsRule(title=title, **(told | more))


def judged(*rules: AnalyticsRule, sources: tuple[LogSource, ...] = (source(),)) -> list[Any]:
    return audit(Survey(NOW, 30, sources, rules), [SIGN_INS])


def test_nothing_is_said_where_all_is_well() -> None:
    assert judged(rule("A"), rule("B")) == []


@pytest.mark.parametrize(
    ("ago", "kind"),
    [(HOUR, None), (6 * HOUR, None), (7 * HOUR, Kind.LATE), (25 * HOUR, Kind.SILENT),
     (None, Kind.MISSING)],
)  # fmt: skip
def test_a_log_source_is_on_time_late_silent_or_missing(ago, kind) -> None:
    found = audit(Survey(NOW, 30, (source(ago=ago, rows=0 if ago is None else 9),)), [SIGN_INS])
    assert [gap.kind for gap in found] == ([kind] if kind else [])
    if found:
        assert found[0].since == (NOW - ago if ago else None)
        assert "SigninLogs" in found[0].words
        assert "Microsoft 365" in found[0].fix


def test_one_of_the_names_of_a_log_source_is_enough() -> None:
    assert audit(Survey(NOW, 30, (source("windowsevent"),)), [WINDOWS]) == []
    [gap] = audit(Survey(NOW, 30, ()), [WINDOWS])
    assert gap.subject == "SecurityEvent or WindowsEvent"


def test_what_is_worse_or_not_named_any_more_is_not_put_right() -> None:
    """A subject that has another gap now; one of many; and the line that says how many more."""

    def gap(kind: Kind, subject: str, words: str = "", seen: str = "2026-11-20") -> dict[str, Any]:
        return {**Gap(kind, subject, words, "").as_json(), "first_seen": seen}

    before = [
        gap(Kind.LATE, "o365"), gap(Kind.FAILING, "Rule"), gap(Kind.BLIND, "Blind"),
        gap(Kind.MISSING, "mended"), gap(Kind.DISABLED, "beyond"),
        gap(Kind.DISABLED, "5 more", "5 more of the same."),
    ]  # fmt: skip
    now = [
        Gap(Kind.SILENT, "o365", "", ""), Gap(Kind.DISABLED, "Rule", "", ""),
        Gap(Kind.STALE, "Blind", "", ""), Gap(Kind.DISABLED, "6 more", "6 more of the same.", ""),
        Gap(Kind.LATE, "new", "", ""),
    ]  # fmt: skip
    told = history.with_first_seen(now, before, NOW, NOW)
    assert [one["first_seen"][:10] for one in told] == [
        *(["2026-11-20"] * 3), "2026-11-26", "2026-11-26",
    ]  # fmt: skip
    assert [one["subject"] for one in history.gone(told, before)] == ["mended"]


def test_a_rule_that_is_off_is_only_that() -> None:
    [gap] = judged(rule(is_enabled=False, failure="broken", alerts=0, sources=("Gone",)))
    assert gap.kind is Kind.DISABLED


def test_a_failing_rule_says_what_its_run_said() -> None:
    [gap] = judged(rule(failure="Semantic error: 'X'", failed_at=NOW - HOUR, alerts=0))
    assert (gap.kind, gap.since) == (Kind.FAILING, NOW - HOUR)
    assert "Semantic error: 'X'" in gap.words


@pytest.mark.parametrize(
    ("changed", "kind"),
    [(NOW - 10 * DAY, Kind.BLIND), (NOW - 181 * DAY, Kind.STALE), (None, Kind.BLIND)],
)
def test_a_rule_without_its_log_source_is_blind_and_when_old_stale(changed, kind) -> None:
    [gap] = judged(rule(sources=("SigninLogs", "OldTable_CL"), changed_at=changed, alerts=0))
    assert gap.kind is kind
    assert "OldTable_CL" in gap.words
    assert "SigninLogs" not in gap.words


def test_a_rule_that_fires_all_the_same_is_not_blind() -> None:
    assert judged(rule(sources=("SigninLogs", "OldTable_CL"))) == []


def test_a_rule_that_never_fired_says_whether_there_was_something_to_find() -> None:
    [gap] = judged(rule(alerts=0))
    assert gap.kind is Kind.NEVER_FIRED
    assert "SigninLogs had 500 rows" in gap.words
    [gap] = judged(rule(alerts=0, sources=()))
    assert "could not be told" in gap.words
    assert judged(rule(alerts=None)) == []


def test_the_same_query_written_differently_is_a_duplicate() -> None:
    query = "SigninLogs | where UserAgent == 'a // b'"
    other = "// ours\nSigninLogs\n  | where UserAgent=='a // b' // here\n;"
    [gap] = judged(rule("A", query=query), rule("B", query=other))
    assert gap.kind is Kind.DUPLICATE
    assert "“A”, “B”" in gap.words
    assert normalised("T | where a == 'x  y'") != normalised("T | where a == 'x z'")
    assert judged(rule("A", query=query), rule("B", query=other, is_enabled=False))[0].kind is (
        Kind.DISABLED
    )


def test_the_same_technique_in_the_same_table_may_be_a_duplicate_and_is_said_once() -> None:
    alike = {"techniques": ("T1078",)}
    [gap] = judged(rule("A", **alike), rule("B", **alike))
    assert "T1078 in SigninLogs" in gap.words
    same = {"techniques": ("T1078",), "query": "SigninLogs"}
    assert len(judged(rule("A", **same), rule("B", **same))) == 1
    assert judged(rule("A", techniques=("T1078",)), rule("B", techniques=("T1110",))) == []


def test_what_was_not_read_is_told_and_the_worst_stands_first() -> None:
    survey = Survey(
        NOW, 30, (), (rule(is_enabled=False), rule("F", failure="x")),
        (Unread("Health is not known.", "Switch it on."),),
    )  # fmt: skip
    kinds = [gap.kind for gap in audit(survey, [SIGN_INS])]
    assert kinds == [Kind.FAILING, Kind.MISSING, Kind.UNREAD, Kind.DISABLED]


def test_thousands_of_gaps_stay_readable() -> None:
    found = judged(*(rule(f"R{n}", is_enabled=False) for n in range(5_000)))
    assert len(found) == 201
    assert found[-1].subject == "4800 more"


def test_times_are_said_as_people_say_them() -> None:
    assert [spoken(one) for one in (HOUR / 3, HOUR, 47 * HOUR, 48 * HOUR, 9 * DAY)] == [
        "1 hour", "1 hour", "47 hours", "2 days", "9 days",
    ]  # fmt: skip


def test_what_should_arrive_is_known_for_connectors_that_there_are() -> None:
    for column, connectors in expected.columns().items():
        assert set(connectors) <= set(registry.CONNECTORS), column
        for one in expected.expected(column, connectors):
            assert one.names
            assert one.late_after >= HOUR
    assert expected.expected("sentinel", ["dns"]) == []
    assert expected.expected("nobody", ["microsoft365"]) == []
