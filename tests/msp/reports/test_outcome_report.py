"""The outcome report through its command and its PDF."""

import datetime as dt
import hashlib
import io
import json
import re
from pathlib import Path

import pikepdf
import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from pypdf import PdfReader

from integrations.intelligence import profiles, store
from integrations.intelligence.found import Found
from integrations.models import Connection, SiemAudit
from msp.licensing import selectors as licensing
from msp.licensing.periods import Period
from msp.reports import actions, selectors
from msp.reports.actions import make_outcome_report
from msp.reports.models import Report
from playbooks.investigating import own_answers
from playbooks.models import UserQuestion
from tenants import evidence, ledger, scope
from tenants.models import Account, Case, Installation, LedgerEntry, Tenant, Verdict
from tests.conftest import new_tenant
from tests.msp.reports import world
from tests.msp.reports.tampering import tamper
from tests.msp.reports.world import MADE_AT, at

MONTH = "2026-03"


def new_clinic() -> Tenant:
    """Make a client with a month in which something happened, and its MSP."""
    Installation.objects.update_or_create(id=1, defaults={"msp_name": "Harbour IT"})
    tenant = new_tenant("contoso-clinic", time_zone="Europe/London")
    with scope.tenant(tenant.id):
        world.a_month(tenant)
    return tenant


@pytest.fixture
def clinic(db) -> Tenant:
    """A client with a month in which something happened."""
    return new_clinic()


@pytest.fixture(scope="module")
def march(django_db_setup, django_db_blocker) -> bytes:
    """The PDF of that month, made once: to render it takes two seconds."""
    with django_db_blocker.unblock(), transaction.atomic():
        pdf = bytes(make_outcome_report(new_clinic().id, MONTH, made_at=MADE_AT).pdf)
        transaction.set_rollback(True)
    return pdf


@pytest.fixture(scope="module")
def text(march: bytes) -> str:
    """What the report of that month says."""
    return text_of(march)


def text_of(pdf: bytes) -> str:
    """Return the text of a PDF with single spaces."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def text_of_report(tenant: Tenant, made_at: dt.datetime = MADE_AT, month: str = MONTH) -> str:
    """Make the report, and return its text."""
    return text_of(bytes(make_outcome_report(tenant.id, month, made_at=made_at).pdf))


def test_the_command_writes_the_pdf_and_keeps_it(clinic, tmp_path):
    path = tmp_path / "report.pdf"
    told = io.StringIO()
    call_command(
        "report", "outcome", "--tenant", clinic.slug, "--month", MONTH, "-o", str(path), "--json",
        stdout=told,
    )  # fmt: skip
    content = path.read_bytes()
    assert content.startswith(b"%PDF-")
    assert json.loads(told.getvalue())["sha256"] == hashlib.sha256(content).hexdigest()
    assert [p.name for p in tmp_path.iterdir()] == ["report.pdf"]
    with scope.tenant(clinic.id):
        kept = Report.objects.get()
        assert bytes(kept.pdf) == content
        entry = LedgerEntry.objects.get(kind="report.made")
    assert entry.body["sha256"] == kept.sha256


def test_the_owner_reads_what_happened_in_plain_words(text):
    for told in (
        "Someone else got into Priya Shah’s mailbox",
        "from Nigeria, through a service that hides where people really are",
        "Priya Shah usually signs in from the United Kingdom",
        "A mail rule named “..” sent mail on to drop@mail-box.example and hid mail",
        "We signed Priya Shah out everywhere.",
        "Checked afterwards with Microsoft at 14:05.",
        "We switched off the mail rule “..”.",
        "contained within 3 minutes of the first alert",
        "Someone else got into Tom Ellis’s account",
        "contained within 42 minutes of the first alert, 37 minutes of it waiting",
        "Sign-in for Priya Shah is still blocked",
    ):
        assert told in text
    for jargon in (
        "true_positive",
        "true positive",
        "tier",
        "OCSF",
        "revoke",
        "tenant",
        "playbook",
        "signal",
        "closed with proof",
        " seconds",
    ):
        assert jargon not in text.lower().replace("contoso", ""), jargon


def test_the_numbers_add_up(text):
    # 1,240 sign-ins and 12 alerts; the two that could not be read are no events.
    assert "we looked at 1,252 events at" in text
    assert "twelve were alerts, which we looked into as six cases" in text
    assert "Two were real attacks: all were contained, typically within 23 minutes" in text
    assert "Three cases turned out to be harmless. We sorted all of them out" in text
    # Medians of 3 and 42 minutes, and of 3 and 5 without the 37 of waiting.
    assert "23 minutes (the median); 4 minutes without the time in which we waited" in text
    assert "Two records We could not read them" in text


def test_what_needs_the_owner(text):
    assert "One decision of yours is waited for" in text
    assert "please answer by 17:00 on 2 April" in text
    assert "Two accounts without a second sign-in factor" in text
    assert "Tom Ellis (administrator)" in text
    assert "Two people can’t sign in for now" in text
    assert "Three things need you" in text


def test_protected_people_are_those_of_the_bill(clinic, text):
    with scope.reading(scope.ALL):
        (billed,) = licensing.usage(MONTH, [clinic.id])
    assert billed.seats == 7
    assert "Seven people were protected on at least one day" in text
    assert "Shared mailboxes 1" in text
    assert "Protected people on one day of 31 Nobody was counted" in text


def test_what_was_not_measured_is_said(text):
    assert "Microsoft 365: changes to accounts and rights" in text
    assert "Computers and phones No protection of devices is connected" in text
    assert "Backups No backup system is connected" in text


def test_it_cites_the_ledger_as_it_was_then(clinic):
    report = make_outcome_report(clinic.id, MONTH, made_at=MADE_AT)
    with scope.tenant(clinic.id):
        assert LedgerEntry.objects.filter(seal__chain_hash=report.ledger_head).exists()
        entries = LedgerEntry.objects.exclude(seal=None).count()
    text = text_of(bytes(report.pdf))
    assert report.ledger_head in text.replace(" ", "")
    assert f"Entries {entries} " in text


def test_a_tampered_ledger_is_confessed(committed_database, owner_connection):
    clinic = new_clinic()
    with scope.tenant(clinic.id):
        ledger.seal()
    changing = "UPDATE tenants_ledgerentry SET subject = 'nothing' WHERE kind = %(kind)s"
    tamper(owner_connection, changing, {"kind": "step.verified"})
    assert "The record behind this report does not hold" in text_of_report(clinic)


def test_it_is_an_accessible_pdf(march):
    with pikepdf.open(io.BytesIO(march)) as pdf:
        assert pdf.Root.MarkInfo.Marked
        assert str(pdf.Root.Lang) == "en-GB"
        assert pdf.docinfo["/Title"] == "Contoso Clinic: security in March 2026"
        assert pdf.Root.ViewerPreferences.DisplayDocTitle
        with pdf.open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
        kinds, figures = [], []
        _walk(pdf.Root.StructTreeRoot.K, kinds, figures)
        with pdf.open_outline() as outline:
            titles = [item.title for item in outline.root[0].children]
    assert kinds.count("/H1") == 1
    assert {"/H2", "/H3", "/Table", "/TH", "/L", "/Figure"} <= set(kinds)
    assert "12 alerts" in figures[0].replace("Twelve", "12").replace("twelve", "12")
    assert all(figures)
    assert "What was not measured" in titles


def _walk(node, kinds: list[str], figures: list[str]) -> None:
    if isinstance(node, pikepdf.Array):
        for child in node:
            _walk(child, kinds, figures)
    elif isinstance(node, pikepdf.Dictionary) and "/S" in node:
        kinds.append(str(node.S))
        if node.S == "/Figure":
            figures.append(str(node.get("/Alt", "")))
        if "/K" in node:
            _walk(node.K, kinds, figures)


def test_the_same_rows_and_date_give_the_same_bytes(clinic):
    with scope.tenant(clinic.id):
        ledger.seal()
    first = make_outcome_report(clinic.id, MONTH, made_at=MADE_AT)
    second = make_outcome_report(clinic.id, MONTH, made_at=MADE_AT)
    # The second cites the ledger entry of the first: the only difference there may be.
    assert first.sha256 != second.sha256
    texts = [text_of(bytes(report.pdf)) for report in (first, second)]
    texts = [
        text.replace(" ", "").replace(report.ledger_head, "HEAD")
        for text, report in zip(texts, (first, second), strict=True)
    ]
    assert texts[0].replace("Entries3", "Entries") == texts[1].replace("Entries4", "Entries")


def test_rendering_is_a_pure_function_of_the_content(clinic):
    with scope.tenant(clinic.id):
        content = selectors.outcome(clinic.id, Period(2026, 3), MADE_AT)
        again = selectors.outcome(clinic.id, Period(2026, 3), MADE_AT)
    assert content == again
    assert actions.render(content) == actions.render(again)


def test_a_month_without_data_says_so(tenant):
    text = text_of_report(tenant)
    assert "no data about" in text
    assert "So this report can’t say whether there was an attack." in text
    assert "Nothing is connected We can’t protect what we can’t see." in text
    assert "We can’t say: no data reached us." in text
    assert "Nobody was counted in this month" in text
    assert "Everything Nothing was connected in this month" in text
    assert "No real attack was found" not in text


def test_a_quiet_month_is_not_one_without_data(tenant):
    with scope.tenant(tenant.id):
        world.connect(since=at(1, month=2), last_data=at(1, 7, month=4))
        world.raw(at(5)).save()
    text = text_of_report(tenant)
    assert "we looked at one event at" in text
    assert "No real attack was found in what we looked at." in text


def test_only_the_month_in_the_clients_own_time_zone_counts(db):
    tenant = new_tenant("far-east", time_zone="Pacific/Auckland")
    with scope.tenant(tenant.id):
        for number, when in enumerate(
            (
                dt.datetime(2026, 2, 28, 10, 59, tzinfo=dt.UTC),  # still February there
                dt.datetime(2026, 2, 28, 11, 0, tzinfo=dt.UTC),  # 1 March, 00:00
                dt.datetime(2026, 3, 31, 10, 59, tzinfo=dt.UTC),  # 31 March, 23:59
                dt.datetime(2026, 3, 31, 11, 0, tzinfo=dt.UTC),  # April
            ),
            start=1,
        ):
            person = world.account(f"Person {number}")
            world.case(number, "Alert", when, account=person, verdict=Verdict.TRUE_POSITIVE)
    text = text_of_report(tenant)
    assert "An attack on Person 2’s account" in text
    assert "An attack on Person 3’s account" in text
    assert "Person 1’s" not in text
    assert "Person 4’s" not in text


def test_another_clients_rows_never_show(clinic, other_tenant):
    text = text_of_report(other_tenant)
    assert "Priya" not in text
    assert "Contoso" not in text


def test_a_month_that_is_not_over_is_preliminary(clinic):
    text = text_of_report(clinic, made_at=at(20, 12))
    assert "Preliminary: the month is not over" in text
    assert "In March 2026 so far" in text
    assert "Priya Shah" in text
    # What came after the report was made is not in it.
    assert "Tom Ellis’s" not in text


def test_an_attack_that_is_not_contained_is_not_called_so(tenant):
    with scope.tenant(tenant.id):
        anna = world.account("Anna Berg")
        made = world.case(
            1, "Password spray", at(4), account=anna, verdict=Verdict.TRUE_POSITIVE,
            status=Case.Status.NEEDS_TECHNICIAN,
        )  # fmt: skip
        run = world.plan(made)
        world.step(run, "identity.revoke_sessions", anna, verified_at=at(4, 9, 5))
        world.step(run, "identity.reset_password", anna, status="failed", error="refused")
    text = text_of_report(tenant)
    assert "One was a real attack, which is not contained yet." in text
    assert "Not contained yet. Case 1" in text
    assert "Did not work; we see to it by hand: reset the password (Anna Berg)." in text
    assert "Our technician still has to finish this case." in text
    assert "Nothing has been contained yet" in text


def test_what_was_undone_again_is_not_called_done(tenant):
    with scope.tenant(tenant.id):
        anna = world.account("Anna Berg")
        made = world.case(1, "Spray", at(4), account=anna, verdict=Verdict.TRUE_POSITIVE)
        world.step(
            world.plan(made), "identity.disable_sign_in", anna, verified_at=at(4, 9, 5),
            read_back={"holds": False},
        )  # fmt: skip
    assert "A later check showed that it no longer holds." in text_of_report(tenant)


def test_hostile_names_stay_text(db):
    tenant = Tenant.objects.create(slug="hostile", name="<b>Bold</b> & Co \x07 {{ report }}")
    with scope.tenant(tenant.id):
        anna = world.account("<img src=file:///etc/passwd> {% now %}")
        world.case(
            1, "x" * 500 + "<script>", at(4), account=anna, verdict=Verdict.TRUE_POSITIVE
        )  # fmt: skip
    text = text_of_report(tenant)
    assert "<b>Bold</b> & Co" in text
    assert "<img src=file:///etc/passwd> {% now %}" in text
    assert "root:" not in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--tenant", "nobody", "--month", MONTH], "There is no client 'nobody'"),
        (["--tenant", "acme", "--month", "2026-13"], "is not a month"),
        (["--tenant", "acme", "--month", "March"], "is not a month"),
        (["--tenant", "acme", "--month", "2098-01"], "has not begun"),
        (["--tenant", "acme", "--month", MONTH, "-o", "/no/such/folder/x.pdf"], "no directory"),
        (["--tenant", "acme", "--month", MONTH, "-o", "/tmp"], "is a directory"),
    ],
)
def test_what_cannot_be_made_is_refused_with_exit_code_2(db, arguments, complaint):
    new_tenant("acme")
    with pytest.raises(CommandError, match=complaint) as refused:
        call_command("report", "outcome", *arguments)
    assert refused.value.returncode == 2
    assert not Path("acme-2026-03.pdf").exists()


def test_an_unknown_time_zone_is_named(db):
    tenant = new_tenant("nowhere", time_zone="Mars/Olympus")
    with pytest.raises(CommandError, match="time zone 'Mars/Olympus'"):
        call_command("report", "outcome", "--tenant", tenant.slug, "--month", MONTH)


def test_second_factors_are_read_from_the_registered_methods(tenant):
    with scope.tenant(tenant.id):
        for name, kinds in (
            ("Only Password", ["password", "email"]),
            ("With App", ["password", "authenticator"]),
            ("Never Read", []),
        ):
            owner = world.account(name, is_mfa_registered=None)
            for kind in kinds:
                world.method(owner, kind)
        world.account("In The Safe", is_mfa_registered=False, is_break_glass=True)
    text = text_of_report(tenant)
    assert "One account without a second sign-in factor" in text
    assert "Only Password" in text
    assert "With App" not in text
    assert "In The Safe" not in text
    assert "The second sign-in factor of one account" in text


def test_what_waits_is_said_once_with_all_its_steps(tenant):
    with scope.tenant(tenant.id):
        anna = world.account("Anna Berg")
        made = world.case(1, "Spray", at(4), account=anna, verdict=Verdict.TRUE_POSITIVE)
        run = world.plan(made, "technician")
        for action in ("identity.disable_sign_in", "identity.reset_password"):
            world.step(run, action, anna, status="awaiting_approval", tier="technician")
    text = text_of_report(tenant)
    assert (
        "Waiting for our technician’s release: disable sign-in (Anna Berg) and reset the password"
        in text
    )


def test_unknown_factors_are_not_called_missing(tenant):
    with scope.tenant(tenant.id):
        world.account("Anna Berg", is_mfa_registered=None)
        world.account("Ben Wood", kind=Account.Kind.GUEST, is_mfa_registered=False)
    text = text_of_report(tenant)
    assert "without a second sign-in factor" not in text
    assert "The second sign-in factor of one account" in text


def test_the_clients_own_monitoring_is_told_in_plain_words(clinic):
    gaps = [
        {"kind": "failing", "subject": "Rare process", "words": "", "fix": "", "since": None},
        *(
            {"kind": "disabled", "subject": f"Rule {n}", "words": "", "fix": "", "since": None}
            for n in range(7)
        ),
    ]
    compared = [{"there": 2, "same": True}, {"there": 1, "same": False}, {"there": None}]
    with scope.tenant(clinic.id):
        row = Connection.objects.create(connector="microsoft_sentinel", name="Sentinel")
        for day, rules in ((10, 9), (30, 12)):
            SiemAudit.objects.create(
                connection=row, at=at(day), days=30, sources=8, rules=rules, rules_enabled=11,
                gaps=gaps, comparisons=compared,
            )  # fmt: skip
        outcome = selectors.outcome(clinic.id, Period.parse(MONTH), MADE_AT)
        assert selectors.outcome(clinic.id, Period.parse("2026-02"), MADE_AT).siems == ()
    page = " ".join(re.sub(r"<[^>]+>", " ", actions.as_html(outcome)).split())
    for told in (
        "On 30 March eight kinds of records arrived",
        "eleven of twelve rules were switched on",
        "two rules of ours on the last day: one found there what it found here",
        "Rules that stop with an error Rare process We mend them with whoever keeps the system. 1",
        "Rule 0; Rule 1; Rule 2; Rule 3; Rule 4; and 2 more Switch them on, or delete them. 7",
    ):
        assert told in page, told


def test_an_owner_reads_what_attackers_likely_try_and_no_secret_of_a_source(clinic: Tenant) -> None:
    with scope.tenant(clinic.id):
        assert selectors.outcome(clinic.id, Period.parse(MONTH), MADE_AT).threats is None
        profiles.keep("health", "GB", ["vpn"], actor="technician:mira")
        case = Case.objects.filter(verdict=Verdict.TRUE_POSITIVE).first()
        assert case is not None
        secret = Found(
            "1", "secret-campaign.test", "domain:secret-campaign.test", title="Operation Hush",
            confidence=90, tlp="red", about=("campaign: Hush",),
        )  # fmt: skip
        store.keep("trust circle", [secret])
        Case.objects.filter(id=case.id).update(
            entities=[*case.entities, "domain:secret-campaign.test"]
        )
        told = own_answers.tell("indicator.list_matches", Case.objects.get(id=case.id), {})
        assert told["matches"][0]["tlp"] == "red"
        evidence.record(
            case, gatherer="indicator.list_matches", question="intelligence", asked_of="holdfast",
            asked_at=MADE_AT, answer={"step": "intelligence", "facts": told, "reason": ""},
            is_available=True, summary="",
        )  # fmt: skip
    pdf = bytes(make_outcome_report(clinic.id, MONTH, made_at=MADE_AT).pdf)
    said = text_of(pdf)
    for words in ("What attackers most likely try with you", "Health care", "Locking your files",
                  "Not yet: the system that would tell us is not connected"):  # fmt: skip
        assert words in said, words
    for hidden in ("Hush", "secret-campaign", "trust circle"):
        assert hidden not in said, hidden
    assert "T1486" not in said


def test_what_is_asked_of_the_clients_people_needs_them(tenant) -> None:
    """And what was looked into is not told as if it had happened."""
    with scope.tenant(tenant.id):
        case = world.case(
            3, "Unusual sign-in", at(9), account=world.account("Priya Shah"),
            verdict=Verdict.SUSPICIOUS, verdict_detail={"playbook": "investigate-account-takeover"},
        )  # fmt: skip
        asked = UserQuestion.objects.create(
            case=case, recipient="james@acme.example", name="James Whitfield", about="Priya Shah",
            created_by="engine", created_at=at(31, 17), expires_at=at(1, 17, month=4),
        )  # fmt: skip
    text = text_of_report(tenant)
    assert "One question of ours is not answered yet" in text
    assert "James Whitfield: “Was this Priya Shah?” Please answer by 16:00 on 1 April." in text
    assert "Nothing needs you" not in text
    assert "Looked into: Account takeover" in text
    with scope.tenant(tenant.id):
        UserQuestion.objects.filter(id=asked.id).update(answered_at=at(31, 18), answer="yes")
    assert "James Whitfield" not in text_of_report(tenant)
