"""Due work: scheduling, claiming, finishing. The row is the truth, a message only a hint.

Work is scheduled in the transaction that makes it necessary. A worker claims a row under a lease;
a dead worker's row is claimed by another when the lease has run out. What is scheduled while the
row is being worked on raises its generation, so nothing asked for meanwhile is forgotten.
Times are of the statement, not of the transaction that it stands in.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from django.db import connection, transaction

from tenants import leases, scope, setbacks
from tenants.leases import Claim, LeaseLost
from tenants.models import Work, new_id
from tenants.statements import Statement

Sender = Callable[[uuid.UUID, str], None]
# Called with the tenant's id and the subject's id, outside any transaction: a handler opens its
# own short tenant scopes, since a vendor call must not happen inside one.
Handler = Callable[[uuid.UUID, uuid.UUID], None]

# Told what fails again and again: tenant, kind, subject and the error's class.
Teller = Callable[[uuid.UUID, str, uuid.UUID, str], None]
# How long a row's work took in seconds, and of which holder it is; as the database tells it.
_Took = tuple[float | None, uuid.UUID | None]
# What took longer the last time, or is in hand for longer now, is slow; so is its whole holder.
SLOW_SECONDS = 5.0
# Of one tenant so many messages are sent again at a time.
_AT_ONCE = 50

_SCHEDULE = Statement("""
WITH before AS (
    SELECT due_at <= statement_timestamp()
           AND (leased_until IS NULL OR leased_until <= statement_timestamp())
           AND lane = '' AS waits
      FROM tenants_work
     WHERE tenant_id = %(tenant)s AND kind = %(kind)s AND subject = %(subject)s
)
INSERT INTO tenants_work
    (id, tenant_id, kind, subject, due_at, generation, attempts, failures, leased_by,
     last_error, lane, holder, created_at)
VALUES (%(id)s, %(tenant)s, %(kind)s, %(subject)s,
        statement_timestamp() + make_interval(secs => %(delay)s), 1, 0, 0, '', '', %(lane)s,
        %(holder)s, statement_timestamp())
ON CONFLICT (tenant_id, kind, subject) DO UPDATE
   SET due_at = CASE WHEN tenants_work.leased_until > statement_timestamp()
                      AND tenants_work.due_at = tenants_work.created_at
                     THEN excluded.due_at
                     ELSE LEAST(tenants_work.due_at, excluded.due_at) END,
       generation = tenants_work.generation + 1,
       lane = COALESCE(NULLIF(excluded.lane, ''), tenants_work.lane),
       holder = COALESCE(excluded.holder, tenants_work.holder)
RETURNING id, lane, coalesce((SELECT waits FROM before), false)
""")

_sender: list[Sender] = []
_teller: list[Teller] = []
_in_hand: ContextVar["_InHand | None"] = ContextVar("holdfast_work_in_hand", default=None)


@dataclass(slots=True)
class _InHand:
    """What a worker does now: `inline` it may go on with, `later` is said when it is done."""

    claim: Claim
    inline: list[uuid.UUID]
    later: list[tuple[uuid.UUID, str]] = field(default_factory=list)
    is_free: bool = False


def on_send(sender: Sender) -> None:
    """Set what sends the message for a row (`sender(work id, kind)`), once at start."""
    _sender[:] = [sender]


def on_stuck(teller: Teller) -> None:
    """Set what tells a person of work that has failed several times, once at start."""
    _teller[:] = [teller]


def schedule(
    kind: str,
    subject: uuid.UUID,
    *,
    delay: float = 0,
    lane: str = "",
    holder: uuid.UUID | None = None,
    takes_turn: bool = False,
    is_announced: bool = False,
) -> None:
    """Ask for `kind` to be done for `subject` of the scope's tenant in `delay` seconds.

    Asking again before it is done doesn't do it twice; the earlier time wins. What waits for
    others outside, who may be slow, names its `lane` and takes turns (`tenants.turns`); of one
    `holder` only one thing is done at a time. What `takes_turn` is the rest of what this worker has
    in hand: it goes behind everything that others wait for. Of what `is_announced` a message is on
    its way already, as of what waits already: else each page of a flood would have its own message,
    and others would wait for all of them.
    """
    ((work_id, kept_lane, waits_already),) = _SCHEDULE.rows(
        id=new_id(), tenant=scope.require_tenant_id(), kind=kind, subject=subject,
        delay=float(delay), lane=lane, holder=holder,
    )  # fmt: skip
    if takes_turn:
        transaction.on_commit(lambda: _hint_later(work_id, kind))
    elif delay <= 0 and not is_announced and not waits_already:
        transaction.on_commit(lambda: hint(work_id, kind, is_shared=bool(kept_lane)))


def _hint_later(work_id: uuid.UUID, kind: str) -> None:
    """Say that a row is due as soon as this worker holds it no more."""
    in_hand = _in_hand.get()
    if in_hand is not None:
        in_hand.later.append((work_id, kind))
    else:
        hint(work_id, kind, is_shared=True)


def hint(work_id: uuid.UUID, kind: str, *, is_shared: bool = False) -> None:
    """Say that a row is due; what takes turns (`is_shared`) is not gone on with at once."""
    in_hand = _in_hand.get()
    if in_hand is not None and not in_hand.inline and not is_shared:
        # The worker that made it necessary goes on with it: no message needed.
        in_hand.inline.append(work_id)
    elif _sender:
        _sender[0](work_id, kind)


def claim(work_id: uuid.UUID) -> Claim | None:
    """Take the row if it is due and nobody holds it; None otherwise.

    `due_at` goes back to when the row was made: what is asked for from now on has a later time.
    """
    worker = leases.worker_name()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tenants_work
               SET leased_by = %s,
                   leased_until = statement_timestamp() + make_interval(secs => %s),
                   attempts = attempts + 1,
                   began_at = statement_timestamp(),
                   waited_seconds = extract(epoch FROM statement_timestamp() - due_at),
                   due_at = created_at
             WHERE id = (SELECT id FROM tenants_work
                          WHERE id = %s AND due_at <= statement_timestamp()
                            AND (leased_until IS NULL OR leased_until <= statement_timestamp())
                            FOR UPDATE SKIP LOCKED)
            RETURNING id, tenant_id, kind, subject, generation, attempts, failures, leased_by
            """,
            [worker, leases.lease_seconds(), work_id],
        )
        row = cursor.fetchone()
    return Claim(*row) if row else None


def renew() -> None:
    """Extend the lease of the work in hand; LeaseLost if another worker has taken it over."""
    in_hand = _in_hand.get()
    if in_hand is not None and not leases.extend(in_hand.claim):
        raise leases.lost(in_hand.claim)


def complete(held: Claim) -> None:
    """Remove the row, or free it where more was asked for meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM tenants_work WHERE id = %s AND leased_by = %s AND generation = %s",
            [held.id, held.worker, held.generation],
        )
        if cursor.rowcount == 0:
            cursor.execute(
                "UPDATE tenants_work SET leased_by = '', leased_until = NULL, attempts = 0,"
                " took_seconds = extract(epoch FROM statement_timestamp() - began_at),"
                " failures = 0, sent_at = NULL WHERE id = %s AND leased_by = %s"
                " RETURNING took_seconds, holder",
                [held.id, held.worker],
            )
            _tell_others_of_the_holder(held, cursor.fetchone())


def repeat(
    kind: str, subject: uuid.UUID, *, delay: float, lane: str = "", holder: uuid.UUID | None = None
) -> None:
    """Finish the work in hand, and ask for it again in `delay` seconds, in this transaction.

    So what it stored is kept if and only if it still had the lease: LeaseLost where another worker
    has taken it over. The last thing that a handler does. Where it is not this that is in hand, it
    is scheduled only.
    """
    in_hand = _in_hand.get()
    if in_hand is None or (in_hand.claim.kind, in_hand.claim.subject) != (kind, subject):
        schedule(kind, subject, delay=delay, lane=lane, holder=holder)
        return
    held = in_hand.claim
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tenants_work AS row
               SET leased_by = '', leased_until = NULL, attempts = 0, failures = 0,
                   sent_at = NULL,
                   took_seconds = extract(epoch FROM statement_timestamp() - began_at),
                   due_at = CASE WHEN due_at = created_at THEN next.at
                                 ELSE LEAST(due_at, next.at) END,
                   generation = generation + 1,
                   lane = COALESCE(NULLIF(%s, ''), lane),
                   holder = COALESCE(%s, holder)
              FROM (SELECT statement_timestamp() + make_interval(secs => %s) AS at) AS next
             WHERE id = %s AND leased_by = %s
            RETURNING took_seconds, holder
            """,
            [lane, holder, delay, held.id, held.worker],
        )
        told = cursor.fetchone()
    if told is None:
        raise leases.lost(held)
    transaction.on_commit(lambda: _repeated(in_hand, told))
    if delay <= 0:
        transaction.on_commit(lambda: _hint_later(held.id, kind))


def _repeated(in_hand: _InHand, told: _Took) -> None:
    in_hand.is_free = True
    _tell_others_of_the_holder(in_hand.claim, told)


def postpone(held: Claim, seconds: float, error: str, *, failures: int) -> None:
    """Free the row to be tried again in `seconds`, with what went wrong.

    `failures`: how many attempts have ended by an error of the work's own by now. What was asked
    for meanwhile is done at its time, where that is earlier.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tenants_work SET leased_by = '', leased_until = NULL, sent_at = NULL,"
            " took_seconds = extract(epoch FROM statement_timestamp() - began_at),"
            " due_at = LEAST(statement_timestamp() + make_interval(secs => %s),"
            "                CASE WHEN generation <> %s THEN due_at END), last_error = %s,"
            " failures = %s WHERE id = %s AND leased_by = %s RETURNING took_seconds, holder",
            [seconds, held.generation, error[:2000], failures, held.id, held.worker],
        )
        _tell_others_of_the_holder(held, cursor.fetchone())


def _tell_others_of_the_holder(held: Claim, told: _Took | None) -> None:
    """Let one connection's slow feed count for its other feeds: the vendor is the same.

    Each of them counts as quick again when it has been so itself.
    """
    took_seconds, holder = told or (None, None)
    if holder is None or (took_seconds or 0) <= SLOW_SECONDS:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tenants_work SET took_seconds = %s"
            " WHERE tenant_id = %s AND holder = %s AND coalesce(took_seconds, 0) <= %s",
            [took_seconds, held.tenant_id, holder, SLOW_SECONDS],
        )


@dataclass(frozen=True, slots=True)
class Unsent:
    """Due work that needs a message. `was_held`: the worker that held it has died."""

    id: uuid.UUID
    kind: str
    was_held: bool


def unsent(limit: int = 200, resend_after: float = 10) -> list[Unsent]:
    """Mark due rows that nobody holds as sent, and return them for sending.

    This is the reconciler's question: a row whose message was lost is returned again after
    `resend_after` seconds, and one whose worker died as soon as its lease has run out. What
    takes turns is left to `tenants.turns`, unless its worker has died. Of one tenant the first
    `_AT_ONCE` that wait are sent, so that the rest holds up nobody else.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tenants_work SET sent_at = statement_timestamp()
             WHERE id IN (SELECT id FROM tenants_work
                           WHERE id IN (SELECT id FROM (
                                 SELECT id, row_number() OVER (
                                        PARTITION BY tenant_id ORDER BY due_at, id) AS place
                                   FROM tenants_work
                                  WHERE due_at <= statement_timestamp()
                                    AND (leased_until IS NULL
                                         OR leased_until <= statement_timestamp())
                                    AND (lane = '' OR leased_until IS NOT NULL)
                                 ) AS waiting WHERE place <= %s)
                             AND (leased_until IS NULL OR leased_until <= statement_timestamp())
                             AND (sent_at IS NULL OR sent_at < leased_until
                                  OR sent_at <= statement_timestamp() - make_interval(secs => %s))
                           ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
            RETURNING id, kind, leased_until IS NOT NULL
            """,
            [_AT_ONCE, resend_after, limit],
        )
        return [Unsent(*row) for row in cursor.fetchall()]


def perform(work_id: uuid.UUID, handlers: Mapping[str, Handler]) -> None:
    """Claim the row, do it, and go on with what it made necessary."""
    inline: list[uuid.UUID] = [work_id]
    while inline:
        held = claim(inline.pop())
        if held is not None:
            carry_out(held, handlers[held.kind], inline)


def carry_out(held: Claim, handler: Handler, inline: list[uuid.UUID]) -> None:
    """Do what is held; put into `inline` what it made necessary and this worker may go on with."""
    in_hand = _InHand(held, inline)
    token = _in_hand.set(in_hand)
    try:
        with leases.kept(held):
            _beware(held)
            handler(held.tenant_id, held.subject)
    except LeaseLost:
        raise
    except BaseException as error:
        # Dramatiq's time limit is no Exception; what it cut is to count as slow, and to come again.
        _put_off(held, error)
        raise
    else:
        if not in_hand.is_free:
            complete(held)
    finally:
        _in_hand.reset(token)
    for work_id, kind in in_hand.later:
        hint(work_id, kind, is_shared=True)


def _beware(held: Claim) -> None:
    """Let work wait that may kill this worker too, as it was interrupted again and again; tell it.

    The row is due only then; where the work ends well, that is forgotten with it.
    """
    setback = setbacks.before(failures=held.failures, interruptions=held.interruptions)
    if not setback.is_slowed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE tenants_work SET due_at = statement_timestamp() + make_interval(secs => %s)"
            " WHERE id = %s AND leased_by = %s",
            [setback.pause, held.id, held.worker],
        )
    if setback.is_to_be_told:
        _tell(held, "Interrupted")


def _tell(held: Claim, error: str) -> None:
    if _teller:
        _teller[0](held.tenant_id, held.kind, held.subject, error)


def _put_off(held: Claim, error: BaseException) -> None:
    """Have what failed tried again, and a person told where it fails again and again."""
    # A connection that the error broke can't say so; one in a transaction is its owner's.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    setback = setbacks.after(error, failures=held.failures, interruptions=held.interruptions)
    name = type(error).__name__
    postpone(held, setback.pause, name, failures=setback.failures)
    # Of interruptions they are told when the work is begun again: a dead worker tells nothing.
    if setback.is_to_be_told and not setback.was_interrupted:
        _tell(held, name)


def waiting(kinds: list[str] | None = None) -> int:
    """Return how many rows are due now or being worked on."""
    rows = Work.objects.filter(due_at__lte=dt.datetime.now(dt.UTC))
    return rows.filter(kind__in=kinds).count() if kinds else rows.count()
