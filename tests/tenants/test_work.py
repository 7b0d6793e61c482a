"""Due work: asked for once, held by one worker, taken over from a dead one, never forgotten."""

import threading
import uuid
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection, connections, transaction
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tenants import leases, scope, setbacks, work
from tenants.models import Tenant, Work

pytestmark = pytest.mark.usefixtures("committed_database")
HOUR = 3600.0


@pytest.fixture
def client(make_tenant) -> Tenant:
    return make_tenant(f"work-{uuid.uuid4().hex[:6]}")


def _ask(tenant: Tenant, subject: uuid.UUID, *, delay: float = 0) -> None:
    with scope.tenant(tenant.id):
        work.schedule("run", subject, delay=delay)


def _row(tenant: Tenant) -> Work:
    return Work.objects.get(tenant=tenant)


def _seconds_until_due(tenant: Tenant) -> float:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM due_at - now()) FROM tenants_work WHERE tenant_id = %s",
            [tenant.id],
        )
        return float(cursor.fetchone()[0])


def _move(tenant: Tenant, change: str) -> None:
    """Let time pass for the tenant's work, by moving a time of its row."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE tenants_work SET {change} WHERE tenant_id = %s", [tenant.id])


def _expire_lease(tenant: Tenant) -> None:
    _move(tenant, "leased_until = now() - interval '1 second'")


def _in_another_thread(question):
    """Return what `question()` gives in a thread of its own, with a connection of its own."""
    answers = []

    def ask() -> None:
        try:
            answers.append(question())
        except Exception as error:
            answers.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(timeout=30)
    assert answers, "the thread never came back"
    return answers[0]


def test_asking_twice_is_one_row_and_the_earlier_time_wins(client) -> None:
    subject = uuid.uuid4()
    _ask(client, subject, delay=HOUR)
    _ask(client, subject, delay=60)
    _ask(client, subject, delay=HOUR)
    assert _row(client).generation == 3
    assert 0 < _seconds_until_due(client) <= 60


def test_nothing_is_scheduled_without_a_tenant() -> None:
    with pytest.raises(Exception, match="needs a tenant"):
        work.schedule("run", uuid.uuid4())


def test_what_is_rolled_back_was_never_asked(client) -> None:
    with scope.tenant(client.id), transaction.atomic():
        work.schedule("run", uuid.uuid4())
        transaction.set_rollback(True)
    assert not Work.objects.filter(tenant=client).exists()


def test_work_that_is_not_due_is_not_given_out(client) -> None:
    _ask(client, uuid.uuid4(), delay=HOUR)
    assert work.claim(_row(client).id) is None
    assert work.waiting(["run"]) == 0


def test_work_is_held_by_one_worker(client) -> None:
    _ask(client, uuid.uuid4())
    held = work.claim(_row(client).id)
    assert held is not None
    assert held.tenant_id == client.id
    assert _in_another_thread(lambda: work.claim(held.id)) is None
    work.complete(held)
    assert not Work.objects.filter(tenant=client).exists()


def test_many_workers_at_once_get_it_once(client) -> None:
    _ask(client, uuid.uuid4())
    row, start, claims = _row(client), threading.Barrier(6), []

    def grab() -> None:
        try:
            start.wait(timeout=30)
            claims.append(work.claim(row.id))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=grab) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(claims) == 6
    assert len([claim for claim in claims if claim is not None]) == 1


def test_a_dead_workers_row_goes_to_another_and_the_old_one_can_do_no_harm(client) -> None:
    _ask(client, uuid.uuid4())
    old = _in_another_thread(lambda: work.claim(_row(client).id))
    _expire_lease(client)
    new = work.claim(old.id)
    assert new is not None
    assert new.worker != old.worker
    assert new.attempts == 2
    work.complete(old)
    work.postpone(old, HOUR, "late", failures=1)
    row = _row(client)
    assert row.leased_by == new.worker
    assert row.last_error == ""


def test_a_taken_over_worker_has_to_stop(client) -> None:
    _ask(client, uuid.uuid4())
    taken = []

    def slow(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        work.renew()
        _expire_lease(client)
        taken.append(_in_another_thread(lambda: work.claim(_row(client).id)))
        work.renew()
        raise AssertionError("the first worker went on")

    with pytest.raises(work.LeaseLost, match="run out"):
        work.perform(_row(client).id, {"run": slow})
    assert _row(client).leased_by == taken[0].worker


def test_renewing_keeps_others_away(client, settings) -> None:
    settings.WORK_LEASE_SECONDS = 60
    _ask(client, uuid.uuid4())

    def long(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        _move(client, "leased_until = now() + interval '1 second'")
        work.renew()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT max(leased_until) - now() > interval '50 seconds' FROM tenants_work"
            )
            assert cursor.fetchone() == (True,)

    work.perform(_row(client).id, {"run": long})
    assert not Work.objects.filter(tenant=client).exists()


def test_a_slow_vendor_does_not_cost_the_lease(client, settings) -> None:
    settings.WORK_LEASE_SECONDS = 0.6
    subject = uuid.uuid4()
    _ask(client, subject)
    seen = set()

    def slow(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        while len(seen) < 4:
            seen.add(_row(client).leased_until)
        work.renew()

    work.perform(_row(client).id, {"run": slow})
    assert not Work.objects.filter(tenant=client).exists()


def test_what_is_asked_during_the_work_is_done_afterwards(client) -> None:
    subject, calls = uuid.uuid4(), []
    _ask(client, subject)

    def handler(tenant_id: uuid.UUID, given: uuid.UUID) -> None:
        calls.append(given)
        if len(calls) == 1:
            _in_another_thread(lambda: _ask(client, subject))

    work.perform(_row(client).id, {"run": handler})
    assert calls == [subject]
    row = _row(client)
    assert (row.leased_by, row.leased_until, row.attempts) == ("", None, 0)
    work.perform(row.id, {"run": handler})
    assert calls == [subject, subject]
    assert not Work.objects.filter(tenant=client).exists()


def test_a_later_time_asked_during_the_work_does_not_undo_an_earlier_one(client) -> None:
    """A run that waits five minutes for a vendor hears at once that somebody approved."""
    subject = uuid.uuid4()
    _ask(client, subject)

    def handler(tenant_id: uuid.UUID, given: uuid.UUID) -> None:
        _in_another_thread(lambda: _ask(client, subject))
        _ask(client, subject, delay=300)

    work.perform(_row(client).id, {"run": handler})
    assert _seconds_until_due(client) <= 0


def test_work_that_asks_for_itself_later_waits_until_then(client) -> None:
    subject = uuid.uuid4()
    _ask(client, subject)
    work.perform(_row(client).id, {"run": lambda tenant, given: _ask(client, given, delay=300)})
    assert 0 < _seconds_until_due(client) <= 300
    assert work.claim(_row(client).id) is None


def _repeat(client: Tenant, *, delay: float):
    """A handler that ends with asking for itself again."""

    def handler(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        with scope.tenant(tenant_id):
            work.schedule("report", subject)
            work.repeat("run", subject, delay=delay)

    return handler


def test_work_that_repeats_itself_is_free_until_its_next_time(client) -> None:
    _ask(client, client.id)
    row = _row(client)
    work.perform(row.id, {"run": _repeat(client, delay=300), "report": lambda *_: None})
    row.refresh_from_db()
    assert (row.leased_by, row.leased_until, row.attempts) == ("", None, 0)
    assert row.took_seconds is not None
    assert 290 < _seconds_until_due(client) <= 300
    _move(client, "due_at = now()")
    assert work.claim(row.id) is not None


def test_a_sooner_time_asked_while_it_repeats_itself_wins(client) -> None:
    _ask(client, client.id)
    repeat = _repeat(client, delay=300)

    def handler(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        _in_another_thread(lambda: _ask(client, subject))
        repeat(tenant_id, subject)

    work.perform(_row(client).id, {"run": handler, "report": lambda *_: None})
    assert _seconds_until_due(client) <= 0


def test_what_was_stored_without_the_lease_is_not_kept(client) -> None:
    _ask(client, client.id)
    repeat, taken = _repeat(client, delay=300), []

    def handler(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        _expire_lease(client)
        taken.append(_in_another_thread(lambda: work.claim(_row(client).id)))
        repeat(tenant_id, subject)

    with pytest.raises(work.LeaseLost, match="run out"):
        work.perform(_row(client).id, {"run": handler})
    # The one row that there is, is the new worker's: the report was not asked for.
    assert _row(client).leased_by == taken[0].worker


def test_a_repetition_that_is_rolled_back_is_tried_again(client) -> None:
    _ask(client, client.id)

    def handler(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        with scope.tenant(tenant_id):
            work.repeat("run", subject, delay=HOUR)
            raise ValueError("after all")

    with pytest.raises(ValueError, match="after all"):
        work.perform(_row(client).id, {"run": handler})
    row = _row(client)
    assert (row.leased_until, row.last_error) == (None, "ValueError")
    assert _seconds_until_due(client) <= 2


def test_what_is_not_in_hand_is_scheduled_where_it_should_be_repeated(client) -> None:
    with scope.tenant(client.id):
        work.repeat("run", client.id, delay=60, lane="somebody", holder=client.id)
    row = _row(client)
    assert (row.kind, row.lane, row.holder) == ("run", "somebody", client.id)
    assert 50 < _seconds_until_due(client) <= 60


def test_failing_work_is_tried_again_later_and_later(client) -> None:
    _ask(client, uuid.uuid4())

    waits = []
    for _ in range(12):
        with pytest.raises(ValueError, match="no such thing"):
            work.perform(_row(client).id, {"run": _fails})
        waits.append(round(_seconds_until_due(client)))
        assert work.claim(_row(client).id) is None
        _move(client, "due_at = now()")
    assert waits == sorted(waits)
    assert waits[0] <= 2 < waits[2] <= 8 < waits[-1] <= 300
    assert _row(client).last_error == "ValueError"


def _loses_the_database(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def _fails(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
    raise ValueError("no such thing")


def _end_badly(client: Tenant, handler, error: type[BaseException]) -> float:
    """Let the client's work end by an error; return after how many seconds it is tried again."""
    with pytest.raises(error):
        work.perform(_row(client).id, {"run": handler})
    waits = _seconds_until_due(client)
    _move(client, "due_at = now()")
    return waits


def test_whoever_lost_the_database_or_died_is_tried_again_soon(client) -> None:
    """What killed workers and servers count for is not the work's own failure."""
    told: list[str] = []
    work.on_stuck(lambda tenant, kind, subject, error: told.append(error))
    _ask(client, uuid.uuid4())
    assert _end_badly(client, _fails, ValueError) <= 2
    for _ in range(8):
        assert _end_badly(client, _loses_the_database, OperationalError) <= 4
        _in_another_thread(lambda: work.claim(_row(client).id))
        _expire_lease(client)
    assert (_row(client).attempts, _row(client).failures) == (17, 1)
    assert 2 < _end_badly(client, _fails, ValueError) <= 4
    assert told == []


def test_what_loses_the_database_every_time_is_slowed_down_and_told(client) -> None:
    told: list[str] = []
    work.on_stuck(lambda tenant, kind, subject, error: told.append(error))
    _ask(client, uuid.uuid4())
    waits = [_end_badly(client, _loses_the_database, OperationalError) for _ in range(27)]
    assert max(waits[:20]) <= 4 < 30 < waits[-1] <= 300
    assert told == ["Interrupted"]


def test_what_kills_its_worker_every_time_is_slowed_down_and_told(client) -> None:
    def kills(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        # Whoever has lost a lease says nothing of the work either.
        raise work.LeaseLost("as good as dead")

    told: list[str] = []
    work.on_stuck(lambda tenant, kind, subject, error: told.append(error))
    _ask(client, uuid.uuid4())
    waits = []
    for _ in range(27):
        with pytest.raises(work.LeaseLost):
            work.perform(_row(client).id, {"run": kills})
        _expire_lease(client)
        waits.append(_seconds_until_due(client))
        _move(client, "due_at = now()")
    assert max(waits[:21]) <= 0 < 30 < waits[-1] <= 300
    assert told == ["Interrupted"]


def test_a_statement_that_takes_too_long_is_the_works_own_failure(client) -> None:
    def slow(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '1ms'; SELECT pg_sleep(5)")

    _ask(client, uuid.uuid4())
    _end_badly(client, slow, OperationalError)
    assert _row(client).failures == 1


def test_an_error_that_hides_a_lost_database_is_an_interruption() -> None:
    hiding = ValueError("evidence could not be stored")
    hiding.__cause__ = OperationalError("the connection is closed")
    assert setbacks.is_interruption(hiding)
    assert not setbacks.is_interruption(ValueError("no such thing"))


def test_lost_messages_are_sent_again_but_not_at_once(client) -> None:
    _ask(client, uuid.uuid4())
    row = _row(client)
    assert work.Unsent(row.id, "run", was_held=False) in work.unsent()
    assert work.unsent() == []
    _move(client, "sent_at = now() - interval '9 seconds'")
    assert work.unsent(resend_after=10) == []
    _move(client, "sent_at = now() - interval '11 seconds'")
    assert work.unsent(resend_after=10) == [work.Unsent(row.id, "run", was_held=False)]


def test_no_message_for_what_is_held_or_not_due(client) -> None:
    _ask(client, uuid.uuid4())
    _ask(client, uuid.uuid4(), delay=HOUR)
    due = Work.objects.filter(tenant=client).earliest("due_at")
    held = work.claim(due.id)
    assert work.unsent() == []
    _expire_lease(client)
    assert work.unsent() == [work.Unsent(held.id, "run", was_held=True)]


def test_what_follows_is_done_by_the_same_worker_without_a_message(client) -> None:
    sent, done = [], []
    work.on_send(lambda work_id, kind: sent.append(kind))
    with scope.tenant(client.id):
        work.schedule("triage", client.id)
    assert sent == ["triage"]

    def first(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        done.append("triage")
        with scope.tenant(tenant_id):
            work.schedule("investigate", subject)
            work.schedule("report", subject)

    handlers = {
        "triage": first,
        "investigate": lambda tenant, subject: done.append("investigate"),
        "report": lambda tenant, subject: done.append("report"),
    }
    work.perform(_row(client).id, handlers)
    assert done == ["triage", "investigate"]
    assert sent == ["triage", "report"]
    assert [row.kind for row in Work.objects.filter(tenant=client)] == ["report"]


class _Worker(RuleBasedStateMachine):
    """Whatever happens, what was asked is done after it was asked, or still stands as a row."""

    tenant: Tenant

    def __init__(self) -> None:
        super().__init__()
        Work.objects.all().delete()
        self.subject = uuid.uuid4()
        self.is_asked_since_claim = False
        self.owes = False
        self.held: work.Claim | None = None

    @rule()
    def ask(self) -> None:
        _ask(self.tenant, self.subject)
        self.owes = self.is_asked_since_claim = True

    @rule()
    def claim(self) -> None:
        row = Work.objects.first()
        if row is None or self.held is not None:
            return
        self.held = work.claim(row.id)
        assert self.held is not None, "due work that nobody holds was not given out"
        self.is_asked_since_claim = False

    @rule()
    def finish(self) -> None:
        if self.held is not None:
            work.complete(self.held)
            self.held, self.owes = None, self.is_asked_since_claim

    @rule()
    def die(self) -> None:
        if self.held is not None:
            _expire_lease(self.tenant)
            self.held = None

    @rule()
    def fail(self) -> None:
        if self.held is not None:
            work.postpone(self.held, 0, "failed", failures=1)
            self.held = None

    @invariant()
    def nothing_is_forgotten_and_nothing_left_over(self) -> None:
        assert Work.objects.filter(tenant=self.tenant).count() == (1 if self.owes else 0)


def test_nothing_asked_is_ever_forgotten(client) -> None:
    machine = type("Machine", (_Worker,), {"tenant": client})
    machine.TestCase.settings = settings(
        max_examples=25, stateful_step_count=20, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    machine.TestCase("runTest").runTest()


@pytest.fixture(autouse=True)
def _leave_the_sender_as_it_was() -> Iterator[None]:
    teller = list(work._teller)
    yield
    work.on_send(lambda work_id, kind: None)
    work._teller[:] = teller


def test_a_dead_workers_row_is_sent_again_as_soon_as_its_lease_has_run_out(client) -> None:
    """Not only when the message that the dead worker had taken would have been sent again."""
    _ask(client, client.id)
    [unsent] = work.unsent()
    row_id = unsent.id
    assert work.claim(row_id) is not None
    assert work.unsent() == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_work SET leased_until = now() WHERE id = %s", [row_id])
    assert work.unsent() == [work.Unsent(row_id, "run", was_held=True)]
    assert work.unsent() == [], "once, and then as patiently as for any other message"


def test_a_lease_outlives_a_database_that_is_started_again(tenant, monkeypatch, settings) -> None:
    settings.WORK_LEASE_SECONDS = 0.9
    with scope.tenant(tenant.id):
        work.schedule("run", tenant.id)
    row = Work.objects.get()
    real, asked, was_extended = leases.extend, [], threading.Event()

    def extend(held: work.Claim) -> bool:
        asked.append(held)
        if len(asked) == 1:
            raise OperationalError("the server closed the connection")
        was_extended.set()
        return real(held)

    def handler(tenant_id, subject) -> None:
        assert was_extended.wait(30), "nobody tried again"

    monkeypatch.setattr(leases, "extend", extend)
    work.perform(row.id, {"run": handler})
    assert len(asked) >= 2
