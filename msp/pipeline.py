"""Every stage of the product, in order, each as a Dramatiq actor. Read this file, know the product.

A message carries the id of a row of due work and nothing else; the row is the truth. A stage that
makes the next one necessary schedules it in its own transaction, and the same worker goes on with
it, so most stages of a case run without a message. The scheduler re-sends what was lost.
"""

import uuid
from collections.abc import Mapping

import dramatiq
from django.db import connections

from integrations import checking, notices, polling
from integrations.alerting import watching
from integrations.intelligence import fetching, sightings
from integrations.siem import auditing
from msp.notifications import actions as notifications
from msp.onboarding import consent, relationships
from msp.queue import broker
from playbooks import (
    approvals,
    closing,
    investigation,
    reconsidering,
    response,
    routines,
    runner,
    triage,
)
from playbooks.cases import looking, scoring
from playbooks.ladder import reminders
from playbooks.quality import case_quality
from playbooks.replanning import comparing, replanning
from playbooks.running import recheck as rechecking
from tenants import turns, work

dramatiq.set_broker(broker)

STAGES: Mapping[str, work.Handler] = {
    # A vendor's feed is read; records become events, findings and directory.
    "poll": polling.poll,
    # A canary reads through the whole path of a connection; what is wrong becomes an alarm.
    "check": checking.check,
    # A client's SIEM is audited: what arrives there, and which of its rules watch.
    "siem": auditing.handle,
    # A client's consent is tried, and the client connected.
    "consent": consent.settle,
    # The MSP's GDAP relationship with a client is looked up.
    "relationship": relationships.look_up,
    # A vendor is asked to say when a feed has something new, so that it is read sooner.
    "watch": notices.watch,
    # Rules that failed on events are run on them again; correlations under a flood catch up.
    "detect": watching.again,
    # Findings that belong together become a case with a risk.
    "triage": triage.triage,
    # Of more new cases than there is room for, the riskiest are next.
    "backlog": looking.look_into_next,
    # Where what weighs in open cases has changed, their risk is worked out anew.
    "rescore": scoring.rescore_open,
    # Evidence is gathered, read-only; the verdict table decides.
    "investigate": investigation.investigate,
    # A routine asks its questions and becomes a plan.
    "routine": routines.carry_out,
    # The verdict's responses become plans, each step with its tier; people are asked.
    "respond": response.respond,
    # What waits for somebody is planned again where what it was made on has changed.
    "replan": replanning.look,
    # A plan is carried out: intended, called, verified by reading back.
    "run": runner.advance,
    # Whoever has not answered is reminded, and then the next contact is asked.
    "remind": reminders.remind,
    # A client's contact gets a link, and technicians a reminder or an alarm, by mail.
    "notify": notifications.notify,
    # An approval that nobody gave in time has the outcome that the rules name.
    "expire": approvals.expire,
    # The case closes with proof, or says what still needs a person.
    "close": closing.close,
    # Where a client met what is known of attackers is counted.
    "sight": sightings.look,
    # Cases that name what has become known since are scored anew.
    "reconsider": reconsidering.reconsider,
    # How a closed case kept to the client's own process is checked; some go to a second technician.
    "quality": case_quality.check_closed,
    # What was verified is read back again, an hour and a day later.
    "recheck": rechecking.recheck,
    # What a technician did by hand is compared with what a playbook in shadow would have done.
    "compare": comparing.compare,
}


def _perform(work_id: str, *, by_turns: bool = False) -> None:
    try:
        (turns if by_turns else work).perform(uuid.UUID(work_id), STAGES)
    finally:
        connections.close_all()


# Retries are the work row's: with its own back-off, and seen by everyone.
_LIMITS = {"max_retries": 0, "time_limit": 300_000}
# Dramatiq takes the lowest number first.
_OPTIONS = {**_LIMITS, "priority": 10}


@dramatiq.actor(actor_name="poll", queue_name="polling", **_OPTIONS)
def poll(work_id: str) -> None:
    """Read feeds, each in its turn."""
    _perform(work_id, by_turns=True)


@dramatiq.actor(actor_name="check", queue_name="polling", **_OPTIONS)
def check(work_id: str) -> None:
    """Check connections, each in its vendor's turn."""
    _perform(work_id, by_turns=True)


@dramatiq.actor(actor_name="siem", queue_name="polling", **_OPTIONS)
def audit_siem(work_id: str) -> None:
    """Audit SIEMs, each in its vendor's turn."""
    _perform(work_id, by_turns=True)


@dramatiq.actor(actor_name="consent", queue_name="polling", **_OPTIONS)
def try_consent(work_id: str) -> None:
    """Try a client's consent."""
    _perform(work_id)


@dramatiq.actor(actor_name="relationship", queue_name="polling", **_OPTIONS)
def look_up_relationship(work_id: str) -> None:
    """Look up a GDAP relationship."""
    _perform(work_id)


@dramatiq.actor(actor_name="watch", queue_name="polling", **_OPTIONS)
def watch(work_id: str) -> None:
    """Ask a vendor to say when a feed has something new."""
    _perform(work_id)


@dramatiq.actor(actor_name="detect", **_OPTIONS)
def detect_again(work_id: str) -> None:
    """Run rules again on events on which they failed, and let correlations catch up."""
    _perform(work_id)


@dramatiq.actor(actor_name="triage", **_OPTIONS)
def triage_findings(work_id: str) -> None:
    """Put findings into cases."""
    _perform(work_id)


@dramatiq.actor(actor_name="backlog", **_OPTIONS)
def look_into_next(work_id: str) -> None:
    """Have the riskiest of a client's waiting cases looked into."""
    _perform(work_id)


@dramatiq.actor(actor_name="rescore", queue_name="polling", **_OPTIONS)
def rescore(work_id: str) -> None:
    """Work out the risk of open cases anew, each client in its turn."""
    _perform(work_id, by_turns=True)


@dramatiq.actor(actor_name="investigate", **_OPTIONS)
def investigate(work_id: str) -> None:
    """Gather evidence and reach a verdict."""
    _perform(work_id)


@dramatiq.actor(actor_name="respond", **_OPTIONS)
def respond(work_id: str) -> None:
    """Plan what follows from a verdict."""
    _perform(work_id)


@dramatiq.actor(actor_name="routine", **_OPTIONS)
def routine(work_id: str) -> None:
    """Carry out a routine."""
    _perform(work_id)


@dramatiq.actor(actor_name="replan", **_OPTIONS)
def replan(work_id: str) -> None:
    """Plan again what waits for somebody."""
    _perform(work_id)


@dramatiq.actor(actor_name="run", **_OPTIONS)
def run(work_id: str) -> None:
    """Carry out a plan."""
    _perform(work_id)


@dramatiq.actor(actor_name="remind", **_OPTIONS)
def remind(work_id: str) -> None:
    """Ask again for an approval that nobody gave yet."""
    _perform(work_id)


@dramatiq.actor(actor_name="notify", **_OPTIONS)
def notify(work_id: str) -> None:
    """Send a mail."""
    _perform(work_id)


@dramatiq.actor(actor_name="expire", **_OPTIONS)
def expire(work_id: str) -> None:
    """Do what the rules say for an approval that nobody gave."""
    _perform(work_id)


@dramatiq.actor(actor_name="close", **_OPTIONS)
def close(work_id: str) -> None:
    """Close a case with proof."""
    _perform(work_id)


@dramatiq.actor(actor_name="sight", queue_name="polling", **_OPTIONS)
def sight(work_id: str) -> None:
    """Count where clients met what is known of attackers, each in its turn."""
    _perform(work_id, by_turns=True)


@dramatiq.actor(actor_name="reconsider", queue_name="polling", **_OPTIONS)
def reconsider(work_id: str) -> None:
    """Score cases anew by what has become known of attackers since, each client in its turn."""
    _perform(work_id, by_turns=True)


@dramatiq.actor(actor_name="source", queue_name="polling", **_OPTIONS)
def read_source(source_id: str) -> None:
    """Read a source of indicators: it is the MSP's own, so its row is no client's work."""
    try:
        fetching.read(uuid.UUID(source_id))
    finally:
        connections.close_all()


@dramatiq.actor(actor_name="quality", **_OPTIONS)
def quality(work_id: str) -> None:
    """Check how a closed case kept to the client's process."""
    _perform(work_id)


@dramatiq.actor(actor_name="recheck", **_OPTIONS)
def recheck(work_id: str) -> None:
    """Read a verified step back again."""
    _perform(work_id)


@dramatiq.actor(actor_name="compare", **_OPTIONS)
def compare(work_id: str) -> None:
    """Compare a shadow plan with what was done by hand."""
    _perform(work_id)


@dramatiq.actor(actor_name="take_over", queue_name="take_over", priority=0, **_LIMITS)
def take_over(work_id: str) -> None:
    """Go on with what a dead worker had in hand, whatever it is."""
    _perform(work_id)


_ACTORS = {
    actor.actor_name: actor
    for actor in (
        poll,
        check,
        audit_siem,
        try_consent,
        look_up_relationship,
        watch,
        detect_again,
        triage_findings,
        look_into_next,
        rescore,
        investigate,
        routine,
        respond,
        replan,
        run,
        remind,
        notify,
        expire,
        close,
        quality,
        sight,
        reconsider,
        read_source,
        recheck,
        compare,
        take_over,
    )
}


def send(work_id: uuid.UUID, kind: str) -> None:
    """Send the message for a row of work; if it can't be sent, the scheduler will."""
    _ACTORS[kind].send(str(work_id))
