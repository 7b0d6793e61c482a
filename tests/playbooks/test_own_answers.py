"""What Holdfast's own rows tell of a case, and that nothing of another client's is told by it."""

import datetime as dt
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from integrations import catalog, ocsf
from integrations.models import Connection, Indicator
from playbooks import language
from playbooks.investigating import gathering, own_answers
from playbooks.questions import absences
from tenants import evidence, scope
from tenants.models import Account, Case, Device, Event, Evidence, Finding, RawRecord
from tests.conftest import new_tenant
from tests.playbooks.cases import make_account, make_case
from tests.playbooks.vendor import connect, vendors

BAD = "ip:203.0.113.9"
ELSEWHERE = "case.count_elsewhere"
NOW = timezone.now()


def _ask(question: str, case: Case, **inputs: Any) -> dict[str, Any]:
    return dict(own_answers.tell(question, case, inputs))


def _clients(number: int) -> list:
    return [new_tenant(f"other-{i}") for i in range(number)]


def _case_at(tenant, *entities: str, **fields: Any) -> None:
    with scope.tenant(tenant.id):
        account = Account.objects.first() or make_account()
        make_case(account, entities=list(entities), **fields)


@pytest.mark.parametrize("question", own_answers.ANSWERS)
def test_each_own_answer_is_to_a_question_of_the_catalog(question: str) -> None:
    assert catalog.get(question).is_read_only


def test_other_clients_are_counted_and_none_is_named(tenant) -> None:
    first, second, third = _clients(3)
    for other in (first, second):
        _case_at(other, BAD, "account:someone@secret.example")
        _case_at(other, BAD)
    _case_at(third, "ip:198.51.100.1")
    with scope.tenant(tenant.id):
        case = make_case(make_account(), entities=[BAD, "account:someone@secret.example"])
        assert _ask(ELSEWHERE, case) == {
            "indicators": [BAD], "clients": 2, "is_counted": True,
        }  # fmt: skip
        # It reads as before: only its own.
        assert Case.objects.count() == 1
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM tenants_case")
            assert cursor.fetchone() == (1,)


def test_a_person_or_device_can_not_be_looked_for_elsewhere(tenant) -> None:
    others = _clients(3)
    for other in others:
        _case_at(other, "account:ann@x.example", "device:pc-1", "ip:")
    with scope.tenant(tenant.id), connection.cursor() as cursor:
        cursor.execute(
            "SELECT holdfast_clients_with_indicators(%s::text[], %s)",
            [["account:ann@x.example", "device:pc-1", "ip:"], NOW - dt.timedelta(days=9)],
        )
        assert cursor.fetchone() == (0,)


def test_old_cases_elsewhere_do_not_count(tenant) -> None:
    for other in _clients(3):
        _case_at(other, BAD, opened_at=NOW - dt.timedelta(days=31))
    with scope.tenant(tenant.id):
        case = make_case(make_account(), entities=[BAD])
        assert _ask(ELSEWHERE, case)["clients"] == 0
        assert _ask(ELSEWHERE, case, days=40)["clients"] == 3


def test_few_clients_are_not_counted_and_nobody_counts_without_a_scope(tenant) -> None:
    _case_at(_clients(2)[0], BAD)
    with scope.tenant(tenant.id):
        told = _ask(ELSEWHERE, make_case(make_account(), entities=[BAD]))
        assert (told["clients"], told["is_counted"]) == (0, False)
    with (
        pytest.raises(DatabaseError, match="needs the scope"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT holdfast_clients_with_indicators('{}', now())")


def _finding(case: Case, category: str, **told: Any) -> None:
    raw = RawRecord.objects.create(
        connector="c", feed="f", received_at=NOW, body=b"", content_hash="", outcome="finding"
    )
    Finding.objects.create(
        raw=raw, case=case, connector="c", uid=f"{case.id}", class_uid=2004, category=category,
        time=NOW, severity_id=3, content_hash="", received_at=NOW, updated_at=NOW,
        **{"title": category, "ocsf": {}, **told},
    )  # fmt: skip


def test_earlier_cases_are_the_persons_whatever_the_account(in_tenant) -> None:
    account = make_account()
    twin = Account.objects.create(
        provider="google_workspace", external_id="G-7", username="Priya@Acme.example",
        person=account.person,
    )  # fmt: skip
    now = make_case(account)
    _finding(now, "Persistence")
    harmless = make_case(twin, verdict="benign", status=Case.Status.CLOSED)
    _finding(harmless, "Persistence")
    make_case(make_account("ben@acme.example"), entities=["account:priya@acme.example"])
    make_case(make_account("eve@acme.example"))
    make_case(account, opened_at=NOW - dt.timedelta(days=400))
    told = _ask("case.list_past_cases", now)
    assert {name: value for name, value in told.items() if name != "cases"} == {
        "count": 2, "true_positives": 1, "harmless": 1, "same_kind": 1,
    }  # fmt: skip
    assert {one["external_id"] for one in told["cases"]} >= {str(harmless.id)}


def _sign_in(case: Case, days_ago: float, country: str, device: str, client: str) -> None:
    raw = RawRecord.objects.create(
        connector="c", feed="f", received_at=NOW, body=b"", content_hash="", outcome="event"
    )
    Event.objects.create(
        raw=raw, connector="c", uid=f"{days_ago}", class_uid=ocsf.AUTHENTICATION, is_success=True,
        time=case.last_activity_at - dt.timedelta(days=days_ago), country=country,
        entities=["account:priya.shah@acme.example"],
        ocsf={"src_endpoint": {"hostname": device}, "unmapped": {"client_app": client}},
    )  # fmt: skip


def test_what_is_new_is_told_from_what_is_usual(in_tenant) -> None:
    case = make_case(make_account())
    for day in range(3, 13):
        _sign_in(case, day, "GB", "PC-1", "Browser")
    _sign_in(case, 1, "NG", "", "IMAP4")
    _sign_in(case, 0.5, "GB", "PC-1", "Browser")
    told = _ask("identity.compare_sign_ins", case)
    assert (told["usual_countries"], told["new_countries"]) == (["GB"], ["NG"])
    assert (told["usual_devices"], told["new_devices"]) == (["PC-1"], [])
    assert (told["usual_clients"], told["new_clients"]) == (["Browser"], ["IMAP4"])
    assert (told["count"], told["before"]) == (12, 10)


def test_what_an_intruder_did_is_not_usual_days_later(in_tenant) -> None:
    case = make_case(make_account())
    for day in range(6, 16):
        _sign_in(case, day, "GB", "PC-1", "Browser")
    _sign_in(case, 4, "NG", "KALI", "IMAP4")
    assert _ask("identity.compare_sign_ins", case)["new_devices"] == []
    began = (case.last_activity_at - dt.timedelta(days=5)).isoformat()
    told = _ask("identity.compare_sign_ins", case, since=began)
    assert (told["new_countries"], told["new_devices"]) == (["NG"], ["KALI"])


def test_too_few_sign_ins_say_nothing(in_tenant) -> None:
    case = make_case(make_account())
    _sign_in(case, 5, "GB", "PC-1", "Browser")
    with pytest.raises(own_answers.NotTold, match="what is usual: 1"):
        _ask("identity.compare_sign_ins", case)


def test_compliance_is_what_each_product_last_said(in_tenant) -> None:
    case = make_case(make_account(), entities=["device:pc-1"])
    with pytest.raises(own_answers.NotTold, match="no device"):
        _ask("endpoint.get_compliance", case)
    device = Device.objects.create(provider="intune", external_id="d-1", hostname="PC-1")
    with pytest.raises(own_answers.NotTold, match="no connected product"):
        _ask("endpoint.get_compliance", case)
    device.attributes = {"compliance": "noncompliant", "is_encrypted": True}
    device.save()
    told = _ask("endpoint.get_compliance", case)
    assert (told["is_compliant"], told["is_encrypted"]) == (False, True)


def test_who_was_signed_in_is_what_each_product_last_said(in_tenant) -> None:
    ask = "endpoint.list_logged_on_users"
    case = make_case(None, entities=["device:pc-1"])
    with pytest.raises(own_answers.NotTold, match="no device"):
        _ask(ask, case)
    device = Device.objects.create(provider="sentinelone", external_id="1", hostname="PC-1")
    with pytest.raises(own_answers.NotTold, match="who was signed in"):
        _ask(ask, case)
    account = make_account(r"ACME\boss")
    Account.objects.create(
        provider="microsoft365", external_id="m", username="boss@acme.example",
        person=account.person, is_privileged=True,
    )  # fmt: skip
    for name, told in ((r"ACME\Boss", (True, True)), ("boss", (True, True)),
                       (r"OTHER\boss", (False, False)), ("eve", (False, False))):  # fmt: skip
        device.attributes = {"last_user": name}
        device.save()
        (user,) = _ask(ask, case)["users"]
        assert (user["name"], user["is_known"], user["is_privileged"]) == (name, *told)


def test_who_was_taken_off_is_a_leaver(in_tenant) -> None:
    account = make_account()
    case = make_case(account)
    with pytest.raises(own_answers.NotTold, match="nobody took them off"):
        _ask("hr.get_employment", case)
    routine = make_case(
        account, kind=Case.Kind.ROUTINE, status=Case.Status.NEW,
        request={"playbook": "offboard-leaver", "at": "2031-02-03T17:00:00+00:00"},
    )  # fmt: skip
    told = _ask("hr.get_employment", case)
    assert (told["status"], told["last_day"]) == ("active", "2031-02-03")
    assert told["source"] == "routine of case 2"
    routine.status = Case.Status.RESPONDING
    routine.save()
    assert _ask("hr.get_employment", case)["status"] == "leaver"
    routine.status = Case.Status.CLOSED
    routine.save()
    with pytest.raises(own_answers.NotTold):
        _ask("hr.get_employment", case)


def _state(case: Case) -> tuple[str, str]:
    told = _ask("hr.get_employment", case)
    return told["status"], told["last_day"] or told["until"]


def test_what_people_say_counts_before_routines_and_directories(in_tenant) -> None:
    account = make_account()
    case = make_case(account)
    today, day = case.last_activity_at.date(), dt.timedelta(days=1)
    ended = (NOW - dt.timedelta(days=30)).isoformat()
    Account.objects.create(
        provider="active_directory", external_id="guid", username="ACME\\priya",
        person=account.person, attributes={"expires_at": ended},
    )  # fmt: skip
    assert _state(case) == ("leaver", ended[:10])
    name, said = account.username, {"actor": "operator:ann"}
    absences.note(name, "on_leave", today - day, today + day, **said)
    assert _state(case) == ("on_leave", (today + day).isoformat())
    absences.note(name, "on_leave", today + day, today + 9 * day, **said)
    assert _state(case)[0] == "leaver"
    absences.note(name, "leaver", today - day, **said)
    assert _state(case) == ("leaver", (today - day).isoformat())
    absences.note(name, "leaver", today, **said)
    assert _state(case)[0] == "active"
    absences.note(name, "present", today, **said)
    assert _state(case) == ("active", "")
    assert [row.kind for row in absences.current()] == ["present"]


def test_a_vendor_is_asked_of_employment_where_nobody_said_anything(tenant, monkeypatch) -> None:
    steps = language.load(PLAYBOOK.replace("case.list_past_cases", "hr.get_employment"), "x").steps
    with vendors(monkeypatch, "microsoft365") as made:
        with scope.tenant(tenant.id):
            connect("microsoft365")
            account = make_account()
            case = make_case(account)
        made["microsoft365"].answers["hr.get_employment"] = {"status": "unknown"}
        for said in ("unknown", "on_leave"):
            assert gathering.gather(tenant.id, case.id, steps, retry="investigate")
            with scope.tenant(tenant.id):
                row = Evidence.objects.filter(gatherer="hr.get_employment").latest("answered_at")
                assert row.answer["facts"]["status"] == said
                absences.note(account.username, "on_leave", dt.date(2020, 1, 1), actor="x")
                case = make_case(account)


PLAYBOOK = """\
id: sample
version: "1"
kind: investigation
title: Sample
summary: What was done.
trigger: "true"
steps:
  - {id: past, uses: case.list_past_cases, target: account}
  - {id: elsewhere, uses: case.count_elsewhere, target: tenant}
verdicts:
  - {id: not-enough, when: true, verdict: insufficient_data, confidence: low, because: Unknown.}
tests:
  - name: one
    expect: {verdict: insufficient_data}
"""


@pytest.mark.parametrize("connected", [(), ("microsoft365",)], ids=["alone", "connected"])
def test_an_own_answer_is_evidence_like_a_vendors(tenant, connected) -> None:
    """Also where the account's own provider is connected, which knows nothing of it."""
    with scope.tenant(tenant.id):
        case = make_case(make_account())
        for name in connected:
            Connection.objects.create(connector=name, name=name)
    steps = language.load(PLAYBOOK, "sample.yaml").steps
    assert gathering.gather(tenant.id, case.id, steps, retry="investigate")
    with scope.tenant(tenant.id):
        past, elsewhere = Evidence.objects.order_by("gatherer").reverse()
        assert past.is_available
        assert past.asked_of == own_answers.ASKED_OF
        assert past.answer["facts"]["count"] == 0
        assert past.sha256 == evidence.content_hash(past)
        assert elsewhere.answer["facts"]["is_counted"] is False


def _seen_on(device: Device, number: int, class_uid: int, target: str, *entities: str) -> None:
    for count in range(number):
        raw = RawRecord.objects.create(
            connector="crowdstrike", feed="f", received_at=NOW, body=b"", content_hash="",
            outcome="event",
        )  # fmt: skip
        Event.objects.create(
            raw=raw, connector="crowdstrike", uid=f"{target}{count}{raw.id}", class_uid=class_uid,
            time=NOW, target=target, source_ip="198.51.100.1", ocsf={"process": {"name": target}},
            entities=[f"device:{device.hostname.lower()}", "ip:198.51.100.1", *entities],
        )  # fmt: skip


@pytest.fixture
def computer(in_tenant) -> Device:
    return Device.objects.create(provider="crowdstrike", external_id="d-1", hostname="PC-1")


def test_whom_a_computer_talked_to_is_told_by_its_events(computer) -> None:
    case = make_case(None, entities=["device:pc-1"])
    ask = "endpoint.list_connections"
    with pytest.raises(own_answers.NotTold, match="whom it talked to"):
        _ask(ask, case)
    _seen_on(computer, 1, ocsf.NETWORK_ACTIVITY, "203.0.113.9", BAD)
    _seen_on(computer, 1, ocsf.DNS_ACTIVITY, "www.evil.example", "domain:www.evil.example")
    Indicator.objects.create(
        entity="domain:evil.example", source="s", external_id="1", confidence=80, told="x"
    )
    told = [(one["name"], one["is_malicious"]) for one in _ask(ask, case)["connections"]]
    assert told == [("www.evil.example", True), ("203.0.113.9", False)]


def test_remote_access_programs_are_told_by_what_ran(computer) -> None:
    case = make_case(None, entities=["device:pc-1"])
    ask = "endpoint.list_remote_access_tools"
    _seen_on(computer, 1, ocsf.PROCESS_ACTIVITY, "AnyDesk.exe")
    with pytest.raises(own_answers.NotTold, match="too few"):
        _ask(ask, case)
    _seen_on(computer, 18, ocsf.PROCESS_ACTIVITY, "notepad.exe")
    _seen_on(computer, 1, ocsf.PROCESS_ACTIVITY, "ninjarmmagent.exe")
    Connection.objects.create(connector="ninjaone", name="ninja")
    told = {one["name"]: one["is_approved"] for one in _ask(ask, case)["tools"]}
    assert told == {"anydesk": False, "ninjarmm": True}


@pytest.mark.parametrize(
    ("title", "process", "is_explained"),
    [
        ("Remote access tool AnyDesk", {}, True),
        ("Remote access software", {"name": "anydesk.exe", "parent_process": {"name": "x"}}, True),
        ("Remote access tool DWAgent", {}, False),
        ("Remote access software", {"name": "dwagent.exe",
                                    "parent_process": {"name": "anydesk.exe"}}, False),
        ("Remote access tools AnyDesk and RustDesk", {}, False),
    ],
)  # fmt: skip
def test_a_remote_access_alert_is_explained_by_the_program_that_it_names(
    computer, title, process, is_explained
) -> None:
    case = make_case(None, entities=["device:pc-1"])
    _seen_on(computer, 20, ocsf.PROCESS_ACTIVITY, "anydesk.exe")
    _finding(case, "CommandAndControl", title=title, ocsf={"evidences": [{"process": process}]})
    told = _ask("endpoint.list_remote_access_tools", case)
    assert told["alerts_explained"] is is_explained
