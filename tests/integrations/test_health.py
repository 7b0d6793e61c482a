"""The health of a connection, with a simulated Microsoft 365 at its other end."""

import datetime as dt
from collections.abc import Iterator

import pytest
from django.utils import timezone

from integrations import (
    alarms,
    checking,
    connections,
    health_report,
    polling,
    problems,
    registry,
)
from integrations.errors import AlarmError, ConnectionMisconfigured
from integrations.health import Status
from integrations.models import Connection, FeedDay, FeedState, HealthAlarm, Problem, Subscription
from tenants import scope
from tenants.models import LedgerEntry, Tenant, Work
from tests.integrations.google_workspace.subject import running, simulated
from tests.integrations.microsoft365.conftest import Vendor
from tests.integrations.simulators.fixtures import running_simulator
from tests.pipeline import drain

pytestmark = pytest.mark.django_db
KINDS = HealthAlarm.Kind
MISSING = "IdentityRiskEvent.Read.All"


@pytest.fixture(autouse=True)
def _private(settings) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with running_simulator(seed="quiet") as simulator:
        yield Vendor(simulator, simulator.control.tenants()[0])


@pytest.fixture
def row(tenant: Tenant, vendor: Vendor) -> Connection:
    with scope.tenant(tenant.id):
        made = connections.create(
            connector="microsoft365", name="Microsoft 365", settings=vendor.settings,
            secrets=vendor.secrets, actor="technician:mira",
        )  # fmt: skip
        # What is looked at here is the check; feeds are read where a test is about them.
        FeedState.objects.filter(connection=made).update(caught_up_at=timezone.now())
        return made


def _report(row: Connection) -> health_report.Report:
    with scope.tenant(row.tenant_id):
        return health_report.of_connection(Connection.objects.get(id=row.id))


def _check(row: Connection) -> health_report.Report:
    with scope.tenant(row.tenant_id):
        checking.check_now(row)
    drain({"check"})
    return _report(row)


def _grant_all(vendor: Vendor, without: str = "", more: tuple[str, ...] = ()) -> None:
    needed = set(problems.needed(registry.connector("microsoft365"))) - {without}
    vendor.control.permissions([*needed, *more], vendor.tenant["id"])


def _kinds(report: health_report.Report) -> list[tuple[str, str]]:
    return [(alarm.kind, alarm.feed) for alarm in report.alarms]


def _update(row: Connection, feed: str = "", **fields: object) -> None:
    with scope.tenant(row.tenant_id):
        if feed:
            FeedState.objects.filter(connection=row, feed=feed).update(**fields)
        else:
            Connection.objects.filter(id=row.id).update(**fields)


def _ledger(row: Connection) -> list[str]:
    with scope.tenant(row.tenant_id):
        return list(LedgerEntry.objects.order_by("id").values_list("kind", flat=True))


def test_a_new_connection_is_checked_by_itself(row) -> None:
    assert _report(row).judged.status == Status.UNKNOWN
    with scope.tenant(row.tenant_id):
        assert checking.is_being_checked(row.id)


def test_healthy_says_what_the_canary_saw(row, vendor) -> None:
    _grant_all(vendor)
    report = _check(row)
    assert report.judged.status == Status.HEALTHY
    assert report.judged.words == "Connected to Contoso Clinic (contoso-clinic.example)."
    assert report.connection.last_healthy_at == report.connection.checked_at
    assert report.missing == []
    with scope.tenant(row.tenant_id):
        due = Work.objects.get(kind="check", subject=row.id).due_at - timezone.now()
    assert dt.timedelta(minutes=13) < due < dt.timedelta(minutes=17)


def test_that_feeds_are_read_is_not_what_healthy_means(row, vendor) -> None:
    with scope.tenant(row.tenant_id):
        state = FeedState.objects.get(connection=row, feed="groups")
    polling.poll(row.tenant_id, state.id)
    report = _report(row)
    [feed] = [one for one in report.feeds if one.state.feed == "groups"]
    assert feed.state.last_success_at is not None
    assert feed.volume.today == feed.state.records > 0
    assert report.judged.status == Status.UNKNOWN
    assert report.connection.last_healthy_at is None


def test_what_was_not_checked_for_long_is_not_called_healthy(row, vendor) -> None:
    _grant_all(vendor)
    _check(row)
    _update(row, checked_at=timezone.now() - dt.timedelta(hours=3))
    judged = _report(row).judged
    assert judged.status == Status.UNKNOWN
    assert judged.words == "Not checked for 3 hours."
    assert "workers" in judged.fix


def test_refused_credentials_are_an_alarm_until_new_ones_are_entered(row, vendor) -> None:
    _grant_all(vendor)
    given = {"settings": vendor.settings, "expires_at": None, "actor": "technician:mira"}
    with scope.tenant(row.tenant_id):
        connections.change(row.id, secrets={"client_secret": "wrong-and-secret"}, **given)
    report = _check(row)
    assert report.judged.status == Status.BROKEN
    assert report.judged.words == "The vendor refuses the credentials."
    assert "enter them" in report.judged.fix
    assert _kinds(report) == [(KINDS.CANARY, "")]
    with scope.tenant(row.tenant_id):
        assert Work.objects.filter(kind="notify", subject=row.id).exists()
        connections.change(row.id, secrets=vendor.secrets, **given)
    assert _check(row).judged.status == Status.HEALTHY
    kinds = _ledger(row)
    assert kinds.count("connection.broken") == kinds.count("connection.recovered") == 1
    assert kinds.count("connection.alarm") == kinds.count("connection.alarm_over") == 1
    with scope.tenant(row.tenant_id):
        told = str(list(LedgerEntry.objects.values_list("body", "subject")))
    assert "wrong-and-secret" not in told + report.connection.error


def test_a_secret_left_out_stays_and_a_setting_that_cannot_work_is_refused(row, vendor) -> None:
    given = {"secrets": {}, "expires_at": None, "actor": "technician:mira"}
    with scope.tenant(row.tenant_id):
        connections.change(row.id, settings=vendor.settings, **given)
    assert _check(row).connection.problem == ""
    with pytest.raises(ConnectionMisconfigured, match="tenant_id"), scope.tenant(row.tenant_id):
        connections.change(row.id, settings={**vendor.settings, "tenant_id": "not one!"}, **given)
    with pytest.raises(ConnectionMisconfigured, match="client_id"), scope.tenant(row.tenant_id):
        connections.change(row.id, settings={"tenant_id": "x.example"}, **given)


def test_a_vendor_that_is_down_is_an_alarm_only_when_it_lasts(row, vendor) -> None:
    _grant_all(vendor)
    vendor.control.fault("server_error", path="organization", status=503)
    report = _check(row)
    assert report.judged.status == Status.ATTENTION
    assert report.judged.words == "The vendor can't be reached, or fails."
    assert report.alarms == []
    _update(row, failing_since=timezone.now() - dt.timedelta(minutes=31))
    report = _check(row)
    assert report.judged.status == Status.BROKEN
    assert _kinds(report) == [(KINDS.CANARY, "")]
    vendor.control.clear_faults()
    report = _check(row)
    assert (report.judged.status, report.alarms) == (Status.HEALTHY, [])


def test_missing_and_needless_permissions_are_told_live(row, vendor) -> None:
    _grant_all(vendor, without=MISSING, more=("Sites.FullControl.All",))
    report = _check(row)
    assert [one.permission for one in report.missing] == [MISSING]
    assert "Risk detections" in report.missing[0].needed_by
    assert MISSING in report.missing[0].grant
    assert report.connection.excessive == ["Sites.FullControl.All"]
    assert report.judged.status == Status.ATTENTION
    assert report.judged.words == f"A permission is missing: {MISSING}."
    _grant_all(vendor)
    report = _check(row)
    assert (report.missing, report.connection.excessive) == ([], [])
    assert report.judged.status == Status.HEALTHY


def test_a_wider_permission_holds_the_narrower_one(row, vendor) -> None:
    _grant_all(vendor, without="GroupMember.Read.All", more=("GroupMember.ReadWrite.All",))
    assert _check(row).missing == []
    _grant_all(vendor, without="User.Read.All", more=("Directory.Read.All",))
    report = _check(row)
    assert report.missing == []
    assert report.connection.excessive == ["Directory.Read.All"]


def _secret_ends(vendor: Vendor, *, days: float, hint: str = "") -> dt.datetime:
    at = timezone.now() + dt.timedelta(days=days)
    app = vendor.tenant["apps"][0]
    record = {
        "id": f"app-{days}",
        "appId": app["client_id"],
        "displayName": app["name"],
        "passwordCredentials": [
            {"hint": "zzz", "endDateTime": "2020-01-01T00:00:00Z"},
            {"hint": hint or app["secret"][:3], "endDateTime": at.isoformat()},
        ],
    }
    vendor.control.act("put", tenant=vendor.tenant["id"], collection="applications", record=record)
    return at


def test_the_secret_in_use_warns_before_it_runs_out(row, vendor) -> None:
    _grant_all(vendor)
    at = _secret_ends(vendor, days=10.5)
    report = _check(row)
    assert report.connection.expires_at == at
    assert _kinds(report) == [(KINDS.EXPIRY, "")]
    assert "in 10 days" in report.judged.words


def test_a_secret_with_much_time_left_is_no_alarm(row, vendor) -> None:
    _grant_all(vendor)
    _secret_ends(vendor, days=300)
    report = _check(row)
    assert report.connection.expires_at is not None
    assert report.judged.status == Status.HEALTHY


def test_an_end_entered_by_hand_warns_where_the_vendor_tells_none(row, vendor) -> None:
    _grant_all(vendor)
    with scope.tenant(row.tenant_id):
        connections.change(
            row.id, settings=vendor.settings, secrets={}, actor="technician:mira",
            expires_at=timezone.now() - dt.timedelta(days=1),
        )  # fmt: skip
    report = _check(row)
    assert "ran out on" in report.judged.words
    assert report.connection.expiry_by_hand


def test_a_feed_that_the_vendor_refuses_is_an_alarm_with_the_fix(row, vendor) -> None:
    _grant_all(vendor)
    vendor.control.fault("refuse", path="riskDetections", status=403)
    with scope.tenant(row.tenant_id):
        state = FeedState.objects.get(connection=row, feed="risk_detections")
    polling.poll(row.tenant_id, state.id)
    report = _check(row)
    assert _kinds(report) == [(KINDS.PERMISSION, "risk_detections")]
    # It is granted, so it is the licence.
    assert "licence" in report.judged.fix
    [feed] = [one for one in report.feeds if not one.is_well]
    assert feed.title == "Risk detections"
    assert "403" not in feed.words
    vendor.control.clear_faults()
    polling.poll(row.tenant_id, state.id)
    assert _check(row).judged.status == Status.HEALTHY


def test_a_feed_that_is_not_read_to_its_end_is_late(row, vendor) -> None:
    _grant_all(vendor)
    _update(row, "alerts", caught_up_at=timezone.now() - dt.timedelta(hours=5))
    report = _check(row)
    assert _kinds(report) == [(KINDS.LATE, "alerts")]
    assert "not read to the end for 5 hours" in report.judged.words
    assert health_report.as_json(report)["feeds"][0]["feed"] == "alerts"
    assert health_report.as_json(report)["feeds"][0]["lag_seconds"] >= 5 * 3600


def test_a_feed_that_falls_silent_is_an_alarm(row, vendor) -> None:
    _grant_all(vendor)
    with scope.tenant(row.tenant_id):
        state = FeedState.objects.get(connection=row, feed="sign_ins")
        today = timezone.now().date()
        for back in range(2, 29):
            FeedDay.objects.create(state=state, day=today - dt.timedelta(days=back), records=120)
    _update(row, "sign_ins", last_record_at=timezone.now() - dt.timedelta(hours=40))
    report = _check(row)
    assert _kinds(report) == [(KINDS.SILENT, "sign_ins")]
    assert "Sign-ins: silent for 40 hours" in report.judged.words
    told = {one["feed"]: one for one in health_report.as_json(report)["feeds"]}
    assert told["sign_ins"]["records_usual_day"] == 120
    assert told["sign_ins"]["silent_since"] is not None
    assert told["alerts"]["silent_since"] is None


def test_while_the_canary_fails_nothing_is_said_of_the_feeds(row, vendor) -> None:
    _grant_all(vendor)
    _update(row, "alerts", caught_up_at=timezone.now() - dt.timedelta(hours=5))
    _check(row)
    vendor.control.fault("refuse", path="organization", status=401)
    report = _check(row)
    assert {(KINDS.CANARY, ""), (KINDS.LATE, "alerts")} == set(_kinds(report))
    vendor.control.clear_faults()
    _update(row, "alerts", caught_up_at=timezone.now())
    assert _check(row).alarms == []


def test_an_accepted_alarm_asks_for_nobody_and_needs_a_reason(row, vendor) -> None:
    _grant_all(vendor, without=MISSING)
    [alarm] = _check(row).alarms
    with scope.tenant(row.tenant_id):
        with pytest.raises(AlarmError):
            alarms.accept(alarm.id, actor="technician:mira", why="  ")
        alarms.accept(alarm.id, actor="technician:mira", why="They have no P2 licence.")
    report = _check(row)
    assert report.judged.status == Status.HEALTHY
    assert [one.accepted_why for one in report.alarms] == ["They have no P2 licence."]
    assert "connection.alarm_accepted" in _ledger(row)


def test_a_paused_connection_is_left_alone_until_it_goes_on(row, vendor) -> None:
    with scope.tenant(row.tenant_id):
        connections.set_paused(row.id, paused=True, actor="technician:mira")
    before = len(vendor.control.log())
    checking.check(row.tenant_id, row.id)
    assert len(vendor.control.log()) == before
    assert _report(row).judged.status == Status.PAUSED
    with scope.tenant(row.tenant_id):
        connections.set_paused(row.id, paused=False, actor="technician:mira")
        assert checking.is_being_checked(row.id)


def test_what_a_feed_meets_is_checked_at_once(row, vendor) -> None:
    _grant_all(vendor)
    _check(row)
    vendor.control.fault("refuse", path="/groups", status=401)
    with scope.tenant(row.tenant_id):
        state = FeedState.objects.get(connection=row, feed="groups")
        assert not checking.is_being_checked(row.id)
    polling.poll(row.tenant_id, state.id)
    assert _report(row).judged.status == Status.BROKEN
    with scope.tenant(row.tenant_id):
        assert checking.is_being_checked(row.id)


def test_google_tells_each_scope_by_giving_a_token_of_it_or_not(tenant) -> None:
    with running() as served:
        vendor = simulated(served)
        vendor.grant(["https://www.googleapis.com/auth/admin.directory.user.readonly"])
        with scope.tenant(tenant.id):
            made = connections.create(
                connector="google_workspace", name="Google", settings=vendor.settings,
                secrets=vendor.secrets, actor="technician:mira",
            )  # fmt: skip
        report = _check(made)
    assert report.connection.problem == ""
    assert len(report.connection.granted) == 1
    assert report.connection.excessive is None
    assert all("Domain-wide delegation" in one.grant for one in report.missing)
    assert len(report.missing) > 5


@pytest.mark.parametrize(
    ("problem", "is_agreed", "said"),
    [
        ("refused", True, "https://msp.example"),
        ("permission", True, "Grant User.Read.All"),
        ("unavailable", False, "tried again"),
        ("unavailable", True, ""),
    ],
)
def test_a_vendor_that_tells_of_no_news_is_shown_with_the_fix(
    row, vendor, settings, problem, is_agreed, said
) -> None:
    _grant_all(vendor)
    settings.PUBLIC_URL = "https://msp.example"
    with scope.tenant(row.tenant_id):
        state = FeedState.objects.get(connection=row, feed="users")
        Subscription.objects.create(
            feed=state, external_id="s-1" if is_agreed else "", error="POST /subscriptions: no",
            problem=problem, expires_at=timezone.now() + dt.timedelta(days=1),
        )  # fmt: skip
        # The check asks for standing, and has the vendor asked to tell of news again.
        checking.check_now(row)
        assert Work.objects.filter(kind="watch", subject=state.id).exists()
    drain({"check"})
    report = _report(row)
    [feed] = [one for one in report.feeds if one.state.feed == "users"]
    if not said:
        assert report.judged.status == Status.HEALTHY
        assert feed.is_well
        return
    assert _kinds(report) == [(KINDS.NOTICES, "users")]
    assert "does not say when there is something new" in feed.words
    assert "POST /subscriptions: no" in feed.words
    assert said in feed.fix
    with scope.tenant(row.tenant_id):
        Subscription.objects.update(error="", problem="")
    assert _check(row).judged.status == Status.HEALTHY


def test_where_the_vendor_does_not_tell_feeds_are_the_test_and_the_rest_is_named(tenant) -> None:
    """Falcon has no call that tells an API client's scopes."""
    with scope.tenant(tenant.id):
        made = connections.create(
            connector="crowdstrike", name="Falcon", actor="technician:mira",
            settings={"client_id": "a" * 32},
            secrets={"client_secret": "b" * 40},
        )  # fmt: skip
    assert _report(made).untried == []
    _update(made, granted=None, checked_at=timezone.now())
    hosts, alerts = (
        registry.connector("crowdstrike").feed(name).permissions[0] for name in ("hosts", "alerts")
    )
    _update(made, "hosts", last_success_at=timezone.now())
    _update(made, "alerts", problem=Problem.PERMISSION, error=f"Falcon refuses it: {alerts}.")
    report = _report(made)
    assert [one.permission for one in report.missing] == [alerts]
    assert hosts not in report.untried
    assert alerts not in report.untried
    writes = {
        name for action in registry.connector("crowdstrike").actions for name in action.permissions
    }
    assert writes - {hosts, alerts} <= set(report.untried)


def test_of_a_feed_with_two_permissions_the_one_that_is_named_is_missing() -> None:
    both = ("List Agents", "Manage Windows Updates")
    assert problems.named(both, "It needs Manage Windows Updates.") == ["Manage Windows Updates"]
    assert problems.named(both, "Forbidden.") == list(both)
