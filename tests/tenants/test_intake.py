"""Nothing that comes in is lost: it is stored once, or kept in quarantine with a reason."""

import datetime as dt
import itertools
import json
import threading
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations import files, registry
from tenants import intake, scope
from tenants.errors import IntakeError, Quarantine, ScopeError
from tenants.models import Account, Event, Finding, RawRecord, Work
from tenants.records import DirectoryItem, Normalised, SourceRecord
from tenants.records import Event as NormalisedEvent
from tenants.records import Finding as NormalisedFinding
from tests.examples import examples

CONNECTOR = "test"
COUNTS = ("events", "findings", "directory", "duplicates", "quarantined")


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _normalise(record: SourceRecord) -> Normalised:
    """A connector's normaliser at its smallest: the record says what it is."""
    told = dict(record.body)
    if "kind" not in told:
        raise Quarantine("unknown_kind", "The record does not say what it is. Export it again.")
    time = _time(told.get("time", "2026-11-20T09:00:00+00:00"))
    if told["kind"] == "sign_in":
        return NormalisedEvent(
            uid=told["id"], class_uid=3002, activity="Logon", time=time, ocsf=told,
            actor=told.get("who", ""), entities=tuple(told.get("entities", ())),
        )  # fmt: skip
    if told["kind"] == "alert":
        return NormalisedFinding(
            uid=told["id"], class_uid=2004, title=told.get("title", "Alert"), time=time,
            severity_id=told.get("severity", 3), ocsf=told, description=told.get("text", ""),
            confidence=told.get("confidence"),
        )  # fmt: skip
    return DirectoryItem(
        kind="account",
        external_id=told["id"],
        name=told.get("name", ""),
        attributes=told.get("attributes", {}),
    )


def _alert(uid: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "alert", "id": uid, **fields}


def _sign_in(uid: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "sign_in", "id": uid, **fields}


def _account(uid: str, **attributes: Any) -> dict[str, Any]:
    return {"kind": "account", "id": uid, "name": f"{uid}@acme.example", "attributes": attributes}


def _take(*bodies: Any, normalise: Callable[..., Normalised] = _normalise) -> intake.Outcome:
    records = [b if isinstance(b, intake.Unreadable) else SourceRecord(b) for b in bodies]
    outcome = intake.take(connector=CONNECTOR, feed="all", records=records, normalise=normalise)
    assert outcome.records == sum(getattr(outcome, name) for name in COUNTS)
    assert outcome.quarantined == sum(outcome.reasons.values())
    return outcome


def _counts(outcome: intake.Outcome) -> dict[str, int]:
    return {name: getattr(outcome, name) for name in COUNTS if getattr(outcome, name)}


# What becomes of good records


def test_each_kind_of_record_is_stored_with_its_raw_record(in_tenant) -> None:
    outcome = _take(_alert("a"), _sign_in("s", who="ann@acme.example"), _account("u"))
    assert _counts(outcome) == {"events": 1, "findings": 1, "directory": 1}
    finding, event = Finding.objects.get(), Event.objects.get()
    assert json.loads(bytes(finding.raw.body)) == _alert("a")
    assert json.loads(bytes(event.raw.body)) == _sign_in("s", who="ann@acme.example")
    assert event.actor == "ann@acme.example"
    assert Account.objects.get().username == "u@acme.example"
    assert RawRecord.objects.count() == 3


def test_a_new_finding_makes_triage_necessary_and_a_sign_in_does_not(in_tenant) -> None:
    _take(_sign_in("s"))
    assert not Work.objects.filter(kind="triage", tenant=in_tenant).exists()
    _take(_alert("a"))
    assert Work.objects.filter(kind="triage", tenant=in_tenant).count() == 1


def test_the_second_time_all_are_duplicates(in_tenant) -> None:
    records = [_alert("a"), _sign_in("s"), _account("u"), {"no": "kind"}]
    first = _take(*records)
    assert _counts(first) == {"findings": 1, "events": 1, "directory": 1, "quarantined": 1}
    raw = RawRecord.objects.count()
    assert _counts(_take(*records)) == {"duplicates": 4}
    assert RawRecord.objects.count() == raw


def test_duplicates_within_one_delivery_are_stored_once(in_tenant) -> None:
    records = [_alert("a"), _alert("a"), _sign_in("s"), _sign_in("s"), _account("u"), _account("u")]
    outcome = _take(*records, {"no": "kind"}, {"no": "kind"})
    assert _counts(outcome) == {
        "findings": 1, "events": 1, "directory": 1, "quarantined": 1, "duplicates": 4,
    }  # fmt: skip


def test_two_tenants_may_have_records_of_the_same_id(tenant, other_tenant) -> None:
    for one in (tenant, other_tenant):
        with scope.tenant(one.id):
            assert _counts(_take(_alert("a"))) == {"findings": 1}


def test_a_changed_finding_is_updated_and_not_doubled(in_tenant) -> None:
    _take(_alert("a", severity=2))
    outcome = _take(_alert("a", severity=5, title="Worse"))
    assert _counts(outcome) == {"findings": 1}
    finding = Finding.objects.get()
    assert (finding.severity_id, finding.title, finding.times_seen) == (5, "Worse", 2)
    assert json.loads(bytes(finding.raw.body))["severity"] == 5
    assert RawRecord.objects.filter(outcome="finding").count() == 2


def test_a_directory_object_that_changes_and_changes_back_is_updated_each_time(in_tenant) -> None:
    states = []
    for is_enabled in (True, False, True):
        assert _counts(_take(_account("u", is_enabled=is_enabled))) == {"directory": 1}
        states.append(Account.objects.get().is_enabled)
    assert states == [True, False, True]
    assert _counts(_take(_account("u", is_enabled=True))) == {"duplicates": 1}


def test_never_more_than_a_few_megabytes_wait_to_be_stored(in_tenant) -> None:
    waiting: list[int] = []

    def large() -> Iterator[SourceRecord]:
        for number in range(1, 9):
            yield SourceRecord(_sign_in(f"s{number}", text="x" * 3_000_000))
            waiting.append(number - RawRecord.objects.count())

    outcome = intake.take(connector=CONNECTOR, feed="all", records=large(), normalise=_normalise)
    assert outcome.events == 8
    assert max(waiting) <= 3


def test_a_file_with_several_versions_is_all_duplicates_the_second_time(in_tenant) -> None:
    records = [_account("u", is_enabled=True), _account("u", is_enabled=False), _account("v")]
    records += [_alert("a", severity=2), _alert("a", severity=4)]
    assert _counts(_take(*records)) == {"directory": 3, "findings": 2}
    assert _counts(_take(*records)) == {"duplicates": 5}
    assert Account.objects.get(external_id="u").is_enabled is False
    assert (Finding.objects.get().severity_id, Finding.objects.get().times_seen) == (4, 2)


def test_an_old_version_that_never_came_before_is_kept(in_tenant) -> None:
    _take(_account("u", is_enabled=False))
    late = [_account("u", is_enabled=True), _account("u", is_enabled=False)]
    assert _counts(_take(*late)) == {"directory": 2}
    assert RawRecord.objects.count() == 3


def _modified(uid: str, title: str, at: int) -> dict[str, Any]:
    return _alert(uid, title=title, finding_info={"modified_time": at})


def _told_by(feed: str, *bodies: dict[str, Any]) -> dict[str, int]:
    records = [SourceRecord(body) for body in bodies]
    return _counts(
        intake.take(connector=CONNECTOR, feed=feed, records=records, normalise=_normalise)
    )


def test_two_feeds_that_repeat_their_own_words_leave_an_alert_as_it_is(in_tenant) -> None:
    assert _told_by("alerts", _alert("a", title="Whole")) == {"findings": 1}
    assert _told_by("stream", _alert("a", title="Short")) == {"findings": 1}
    for _ in range(2):
        assert _told_by("alerts", _alert("a", title="Whole")) == {"duplicates": 1}
        assert _told_by("stream", _alert("a", title="Short")) == {"duplicates": 1}
    finding = Finding.objects.get()
    assert (finding.title, finding.times_seen, RawRecord.objects.count()) == ("Short", 2, 2)


@pytest.mark.parametrize("order", list(itertools.permutations([("alerts", 1), ("alerts", 3),
                                                               ("stream", 2)])))  # fmt: skip
def test_what_changed_last_at_its_vendor_stands_in_whatever_order_it_came(in_tenant, order) -> None:
    for feed, at in [*order, *order]:
        _told_by(feed, _modified("a", f"{feed} {at}", at))
    assert Finding.objects.get().title == "alerts 3"
    # Nothing that came is lost.
    assert len({bytes(raw.body) for raw in RawRecord.objects.all()}) == 3


def test_a_clock_that_was_ahead_once_keeps_no_later_report_out(in_tenant) -> None:
    """Else an alert that got worse since would never be seen."""
    year_3000 = 32503680000000
    _told_by("alerts", _modified("a", "ahead", year_3000))
    _told_by("alerts", _modified("a", "mended", 1764064800000))
    _told_by("alerts", _modified("a", "late", 1764064700000))
    assert Finding.objects.get().title == "mended"


def test_an_alert_that_changes_back_is_updated_each_time(in_tenant) -> None:
    for status in ("new", "closed", "new"):
        assert _told_by("alerts", _alert("a", title=status)) == {"findings": 1}
    assert Finding.objects.get().title == "new"


def test_without_a_tenant_nothing_is_taken(db) -> None:
    with pytest.raises(ScopeError):
        _take(_alert("a"))


@given(
    order=st.lists(
        st.tuples(st.sampled_from("aslu"), st.integers(0, 3), st.integers(0, 2)), max_size=12
    )
)
@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
def test_the_counts_always_add_up_and_the_newest_wins(in_tenant, order) -> None:
    """Each example has ids of its own, so that one transaction can hold them all."""
    mark = uuid.uuid4().hex
    made = {
        "a": lambda uid, n: _alert(uid, severity=n),
        "s": lambda uid, n: _sign_in(uid),
        "l": lambda uid, n: {"broken": uid},
        "u": lambda uid, n: _account(uid, display_name=str(n)),
    }
    records = [made[kind](f"{mark}-{kind}-{number}", n) for kind, number, n in order]
    outcome = _take(*records)
    assert outcome.records == len(records)
    newest = {f"{mark}-{kind}-{number}": (kind, n) for kind, number, n in order}
    for uid, (kind, n) in newest.items():
        if kind == "a":
            assert Finding.objects.get(uid=uid).severity_id == n
        if kind == "u":
            assert Account.objects.get(external_id=uid).display_name == str(n)


# What becomes of bad records: themselves in quarantine, their neighbours stored

BEFORE, AFTER = _alert("before"), _alert("after")


def _nested(depth: int) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for _ in range(depth):
        body = {"in": body}
    return body


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"what": "is this"}, "unknown_kind"),
        (_alert("x", time=5), "normaliser_error"),
        ({"kind": "alert"}, "normaliser_error"),
        (_alert("x", time="yesterday"), "normaliser_error"),
        (_alert("x", severity="high"), "unstorable"),
        (_alert("x", confidence=10**9), "unstorable"),
        (_sign_in("x", time="0001-01-01T00:00:00+14:00"), "unstorable"),
        (_alert("x", time="9999-12-31T23:59:59-14:00"), "unstorable"),
        (_account("x", is_enabled="perhaps"), "unstorable"),
        (_account("x", display_name="n" * 300), "unstorable"),
        (_alert("x", text="x" * (5 * 2**20)), "too_large"),
        (_alert("x", deep=_nested(10_000)), "too_deep"),
    ],
)
def test_a_bad_record_loses_no_neighbour(in_tenant, bad, code) -> None:
    outcome = _take(BEFORE, bad, AFTER)
    assert _counts(outcome) == {"findings": 2, "quarantined": 1}
    assert {finding.uid for finding in Finding.objects.all()} == {"before", "after"}
    kept = RawRecord.objects.get(outcome="quarantined")
    assert kept.reason_code == code
    assert kept.reason.endswith((".", "kept."))
    assert bytes(kept.body).startswith(b"{")
    assert _counts(_take(BEFORE, bad, AFTER)) == {"duplicates": 3}


def test_a_normalisers_own_mistake_quarantines_only_that_record(in_tenant) -> None:
    def normalise(record: SourceRecord) -> Normalised:
        if record.body["id"] == "odd":
            raise ZeroDivisionError
        return _normalise(record)

    outcome = _take(*[_alert(str(n)) for n in range(5)], _alert("odd"), normalise=normalise)
    assert _counts(outcome) == {"findings": 5, "quarantined": 1}
    assert "ZeroDivisionError" in next(iter(outcome.reasons))
    assert json.loads(bytes(RawRecord.objects.get(outcome="quarantined").body)) == _alert("odd")


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "\udfff", "\x00" * 600, "😀" * 3])
def test_text_that_no_database_holds_is_shown_and_the_raw_record_keeps_it(in_tenant, text) -> None:
    records = [_alert("a" + text, title=text, text=text), _sign_in("s" + text, who=text, x=[text])]
    records.append(_account("u" + text, display_name=text[:200], more={text: text}))
    assert _counts(_take(*records)) == {"findings": 1, "events": 1, "directory": 1}
    assert json.loads(bytes(Finding.objects.get().raw.body))["title"] == text
    assert "\x00" not in Finding.objects.get().title + Account.objects.get().username
    assert _counts(_take(*records)) == {"duplicates": 3}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 2**70, -(2**70), 1e308])
def test_numbers_that_json_does_not_have(in_tenant, number) -> None:
    records = [_sign_in("s", n=number), _alert("a", n=number), _account("u", n=number)]
    assert _counts(_take(*records)) == {"findings": 1, "events": 1, "directory": 1}
    assert _counts(_take(*records)) == {"duplicates": 3}


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
def test_the_first_and_the_last_year_are_kept_as_told(in_tenant, time) -> None:
    assert _counts(_take(_alert("a", time=time), _sign_in("s", time=time))) == {
        "findings": 1, "events": 1,
    }  # fmt: skip
    assert Finding.objects.get().time == Event.objects.get().time == _time(time)


def test_a_record_of_ten_thousand_fields(in_tenant) -> None:
    wide = {f"field_{number}": number for number in range(10_000)}
    assert _counts(_take(_sign_in("s", **wide))) == {"events": 1}
    assert Event.objects.get().ocsf["field_9999"] == 9999


def test_ids_longer_than_a_column_stay_apart(in_tenant) -> None:
    long = "x" * 2000
    records = [made(long + end) for made in (_alert, _sign_in, _account) for end in "ab"]
    outcome = _take(*records)
    assert _counts(outcome) == {"findings": 2, "events": 2, "directory": 2}
    assert _counts(_take(*records)) == {"duplicates": 6}


def test_one_bad_record_among_a_thousand(in_tenant) -> None:
    records = [_sign_in(str(n)) for n in range(1000)]
    records[700] = _sign_in("bad", time="0001-01-01T00:00:00+01:00")
    assert _counts(_take(*records)) == {"events": 999, "quarantined": 1}


# Files


def _read(path: Path) -> list[SourceRecord | intake.Unreadable]:
    return list(files.read(path, registry.connector("microsoft365").explode))


def _file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "records"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        '{"id": 1}\n{"id": 2}\n',
        '{"id": 1}\r\n\r\n{"id": 2}',
        '[{"id": 1}, {"id": 2}]',
        '[{"id": 1}]\n[{"id": 2}]',
        '{"value": [{"id": 1}, {"id": 2}]}',
        '{"@odata.context": "x", "@odata.nextLink": "y", "value": [{"id": 1}, {"id": 2}]}',
        '{"value": [{"id": 1}]}\n{"value": {"id": 2}}',
        '[{"value": [{"id": 1}]}, {"value": [{"id": 2}]}]',
        '{"url": "https://x/1", "status": 200, "body": {"value": [{"id": 1}, {"id": 2}]}}',
        '{"url": "https://x/1", "status": 200, "body": [{"id": 1}, {"id": 2}]}',
        '{"url": "https://x/1", "status": 200, "body": {"id": 1}}\n{"id": 2}',
        '[{"url": "https://x/1", "status": 200, "body": {"id": 1}}, {"id": 2}]',
        '\ufeff{"id": 1}\n{"id": 2}',
        json.dumps([{"id": 1}, {"id": 2}], indent=2),
    ],
)
def test_the_ways_in_which_people_keep_records(tmp_path, content) -> None:
    records = _read(_file(tmp_path, content))
    assert [record.body for record in records] == [{"id": 1}, {"id": 2}]


def test_an_exchange_tells_where_its_records_came_from(tmp_path) -> None:
    exchange = {"url": "https://x/users/7/rules", "status": 200, "body": {"value": [{"id": 1}]}}
    assert _read(_file(tmp_path, json.dumps(exchange)))[0].context == {"url": exchange["url"]}


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ('{"id": 1, "name": "cut o', "not_json", "cut off"),
        ('[{"id": 1}, {"id": 2}', "not_json", "cut off"),
        (json.dumps([{"id": 1}, {"id": 2}], indent=2)[:-4], "not_json", "cut off"),
        ("<html>Sign in</html>", "not_json", "export it again"),
        ("id,name\n", "not_json", "The file"),
        ("{'id': 1}", "not_json", "not JSON"),
        ('{"id": "a\x00b"}', "not_json", "not JSON"),
        ('{"id": 1}'.encode("utf-16")[:-1], "not_utf8", "UTF-8"),
        (b'{"id": "\xff"}', "not_utf8", "UTF-8"),
        (b"\x00\x01\x02", "not_json", "not JSON"),
        ("[" * 10_000 + "]" * 10_000, "too_deep", "levels deep"),
        ('{"in": ' * 10_000 + "1" + "}" * 10_000, "too_deep", "levels deep"),
        ('{"in": ' * 300 + "1" + "}" * 300, "too_deep", "levels deep"),
        ("5", "not_an_object", "a number"),
        ('"text"', "not_an_object", "a text"),
        ("null", "not_an_object", "null"),
        ('{"url": "https://x/1?token=s", "status": 503, "body": {}}', "error_answer", "HTTP 503"),
        ('{"url": "https://x/1", "status": 204, "body": null}', "no_content", "without content"),
        ('{"url": "https://x/1", "status": 200, "body": "<html>"}', "not_an_object", "a text"),
    ],
)
def test_what_is_no_record_is_kept_with_a_reason(tmp_path, content, code, told) -> None:
    [found] = _read(_file(tmp_path, content))
    assert isinstance(found, intake.Unreadable)
    assert (found.code, found.body != b"") == (code, True)
    assert told in found.reason
    assert "token" not in found.reason


def test_a_broken_line_is_named_and_loses_no_neighbour(tmp_path) -> None:
    lines = ['{"id": 1}', '{"id": 2, "na', "", '{"id": 3}', "7", '{"id": 4}']
    found = _read(_file(tmp_path, "\n".join(lines)))
    assert [r.body["id"] for r in found if isinstance(r, SourceRecord)] == [1, 3, 4]
    broken = [r for r in found if isinstance(r, intake.Unreadable)]
    assert [(r.code, r.body) for r in broken] == [
        ("not_json", b'{"id": 2, "na'), ("not_an_object", b"7"),
    ]  # fmt: skip
    assert broken[0].reason.startswith("Line 2 is not JSON")


@pytest.mark.parametrize("depth", [90, 99, 150, 390, 410, 700, 900, 950, 980, 1000, 1100])
def test_no_depth_of_nesting_loses_a_neighbour(tmp_path, depth) -> None:
    deep = '{"in": ' * depth + "1" + "}" * depth
    found = _read(_file(tmp_path, f'{{"id": 1}}\n{deep}\n{{"id": 2}}'))
    assert len(found) == 3
    assert isinstance(found[1], SourceRecord) == (depth <= 100)
    assert [found[0].body, found[2].body] == [{"id": 1}, {"id": 2}]


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_give_records_reasons_or_one_clear_error(tmp_path, content) -> None:
    path = _file(tmp_path, content)
    if not content.strip():
        with pytest.raises(IntakeError, match="is empty"):
            _read(path)
        return
    assert all(isinstance(item, SourceRecord | intake.Unreadable) for item in _read(path))


# The command, on the Microsoft 365 feeds

GRAPH_ALERT = {
    "@odata.type": "#microsoft.graph.security.alert",
    "id": "da637551227677560813_-961444813",
    "status": "new",
    "severity": "high",
    "category": "Persistence",
    "title": "Suspicious inbox manipulation rule",
    "description": "A rule that hides mail was made.",
    "serviceSource": "microsoftDefenderForCloudApps",
    "detectionSource": "cloudAppSecurity",
    "createdDateTime": "2026-11-20T09:10:00Z",
    "lastUpdateDateTime": "2026-11-20T09:10:00Z",
    "mitreTechniques": ["T1564.008"],
    "evidence": [],
}
GRAPH_USER = {
    "id": "87d349ed-44d7-43e1-9a83-5f2406dee5bd",
    "userPrincipalName": "priya.shah@acme.example",
    "displayName": "Priya Shah",
    "accountEnabled": True,
}


@pytest.fixture
def command(tenant, tmp_path, capsys) -> Callable[..., dict[str, Any]]:
    """Runs `manage.py intake` on a content; returns what it prints."""

    def run(content: str | bytes, *options: str, feed: str = "alerts") -> dict[str, Any]:
        path = _file(tmp_path, content)
        capsys.readouterr()
        call_command(
            "intake", str(path), "--tenant", tenant.slug, "--connector", "microsoft365",
            "--feed", feed, "--json", *options,
        )  # fmt: skip
        return json.loads(capsys.readouterr().out)

    return run


def _lines(*records: dict[str, Any]) -> str:
    return "\n".join(json.dumps(record) for record in records)


def test_a_file_is_taken_in_and_the_second_time_all_are_duplicates(command, tenant) -> None:
    content = _lines(GRAPH_ALERT, {**GRAPH_ALERT, "id": "second"}, {"no": "alert"}) + "\n{cut"
    told = command(content)
    assert list(told) == ["records", *COUNTS, "reasons"]
    assert (told["records"], told["findings"], told["quarantined"]) == (4, 2, 2)
    assert any("Line 4" in reason for reason in told["reasons"])
    again = command(content)
    assert (again["records"], again["duplicates"], again["reasons"]) == (4, 4, {})
    with scope.tenant(tenant.id):
        assert Finding.objects.count() == 2


def test_a_dry_run_tells_the_same_and_changes_nothing(command, tenant) -> None:
    content = _lines(GRAPH_ALERT, {"no": "alert"})
    told = command(content, "--dry-run")
    with scope.tenant(tenant.id):
        assert not Finding.objects.exists()
        assert not RawRecord.objects.exists()
    assert not Work.objects.filter(tenant=tenant).exists()
    assert command(content) == told


def test_users_become_accounts(command, tenant) -> None:
    assert command(_lines(GRAPH_USER), feed="users")["directory"] == 1
    assert command(_lines({**GRAPH_USER, "accountEnabled": False}), feed="users")["directory"] == 1
    with scope.tenant(tenant.id):
        account = Account.objects.get()
    assert (account.username, account.is_enabled) == ("priya.shah@acme.example", False)


@pytest.mark.parametrize("year", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"])
def test_dates_at_the_end_of_time_are_no_traceback(command, year) -> None:
    odd = {**GRAPH_ALERT, "id": "odd", "createdDateTime": year, "firstActivityDateTime": year}
    told = command(_lines(GRAPH_ALERT, odd))
    assert told["records"] == 2
    assert told["findings"] + told["quarantined"] == 2
    assert told["findings"] >= 1


def test_a_record_of_ten_megabytes_is_kept_and_its_neighbour_taken(command) -> None:
    large = {**GRAPH_ALERT, "id": "large", "description": "x" * 10 * 2**20}
    told = command(_lines(large, GRAPH_ALERT))
    assert (told["findings"], told["quarantined"]) == (1, 1)
    assert "larger than 4 MB" in next(iter(told["reasons"]))


@pytest.mark.parametrize(
    ("content", "records"),
    [
        ('{"id": 1, "cut o', 1),
        ("5", 1),
        ('{"value": []}', 0),
        ('{"in": ' * 10_000 + "1" + "}" * 10_000, 1),
        (json.dumps({**GRAPH_ALERT, "id": "n\x00ul", "title": "\ud800\x00"}), 1),
        (json.dumps(GRAPH_ALERT | {f"field_{n}": n for n in range(10_000)}), 1),
    ],
)
def test_bad_content_is_counted_and_no_traceback(command, content, records) -> None:
    told = command(content)
    assert told["records"] == records == sum(told[name] for name in COUNTS)


NAMES = ", ".join(sorted(registry.CONNECTORS))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"file": "/no/such/file"}, "can't be read: No such file"),
        ({"file": "."}, "can't be read: Is a directory"),
        ({"content": ""}, "is empty"),
        ({"content": " \n\t"}, "is empty"),
        ({"tenant": "nobody"}, "There is no client 'nobody'"),
        ({"connector": "floppy"}, f"There is no connector 'floppy'. Connectors: {NAMES}."),
        ({"feed": "gossip"}, "has no feed 'gossip'"),
    ],
)
def test_what_can_not_work_is_one_clear_error(tenant, tmp_path, change, told) -> None:
    path = change.get("file") or str(_file(tmp_path, change.get("content", _lines(GRAPH_ALERT))))
    with pytest.raises(CommandError) as caught:
        call_command(
            "intake", path, "--tenant", change.get("tenant", tenant.slug), "--json",
            "--connector", change.get("connector", "microsoft365"),
            "--feed", change.get("feed", "alerts"),
        )  # fmt: skip
    assert told in str(caught.value)
    assert caught.value.returncode == 2


# At the same time


def test_two_deliveries_of_the_same_records_at_once_store_each_once(
    committed_database, make_tenant
) -> None:
    tenant = make_tenant("twice-at-once")
    records = [made(str(n)) for made in (_alert, _sign_in, _account) for n in range(40)]
    start, outcomes = threading.Barrier(3), []

    def deliver() -> None:
        try:
            start.wait(timeout=30)
            with scope.tenant(tenant.id):
                outcomes.append(_take(*records, {"no": "kind"}))
        except Exception as error:
            outcomes.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=deliver) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(_counts(outcome).get("duplicates", 0) for outcome in outcomes) == [0, 121, 121]
    with scope.tenant(tenant.id):
        assert (Finding.objects.count(), Event.objects.count()) == (40, 40)
        assert Account.objects.count() == 40
        assert RawRecord.objects.count() == 121


def test_however_much_a_page_brings_memory_is_bounded(in_tenant, monkeypatch) -> None:
    """What intake holds at once is a few times a batch, whatever the page's size."""
    monkeypatch.setattr(intake, "_BATCH_BYTES", 200_000)

    def most_for(records: int) -> int:
        told = (
            SourceRecord({"id": f"{records}-{number}", "filling": "x" * 10_000})
            for number in range(records)
        )
        tracemalloc.start()
        try:
            intake.take(connector="webhook", feed="json", records=told, normalise=_group)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = most_for(40), most_for(200)
    assert large < 2 * small


def _group(record: SourceRecord) -> DirectoryItem:
    return DirectoryItem(kind="group", external_id=str(record.body["id"]), name="g")
