"""Plain words for what the rows hold, and the tone in which each is shown."""

from collections.abc import Sequence
from typing import NamedTuple

from integrations import catalog, registry
from integrations.errors import UnknownAction, UnknownConnector
from integrations.health import Status
from playbooks.models import Approval, Plan, Step, Tier, spoken_target
from playbooks.plans import witness
from tenants.models import Case, Severity, Verdict


class Word(NamedTuple):
    """A label, and its tone: ``bad``, ``warn``, ``good``, ``info`` or ``quiet``."""

    label: str
    tone: str


HEALTH = {
    Status.HEALTHY: Word("Healthy", "good"),
    Status.ATTENTION: Word("Needs attention", "warn"),
    Status.BROKEN: Word("Does not work", "bad"),
    Status.UNKNOWN: Word("Not known", "warn"),
    Status.PAUSED: Word("Paused", "quiet"),
}
VERDICTS = {
    Verdict.TRUE_POSITIVE: Word("True positive: a real attack", "bad"),
    Verdict.SUSPICIOUS: Word("Suspicious: not proven", "warn"),
    Verdict.BENIGN: Word("Benign: expected behaviour", "good"),
    Verdict.FALSE_POSITIVE: Word("False positive: nothing happened", "good"),
    Verdict.INSUFFICIENT_DATA: Word("Insufficient data: could not be decided", "warn"),
}
CASES = {
    Case.Status.NEW: Word("New", "info"),
    Case.Status.INVESTIGATING: Word("Being investigated", "info"),
    Case.Status.NEEDS_TECHNICIAN: Word("Needs a technician", "warn"),
    Case.Status.AWAITING_APPROVAL: Word("Awaiting approval", "warn"),
    Case.Status.RESPONDING: Word("Actions running", "info"),
    Case.Status.CLOSED: Word("Closed", "good"),
}
STEPS = {
    Step.Status.PENDING: Word("Next", "quiet"),
    Step.Status.AWAITING_APPROVAL: Word("Awaiting approval", "warn"),
    Step.Status.INTENDED: Word("Starting", "info"),
    Step.Status.CALLED: Word("Asked for, not yet seen", "info"),
    Step.Status.VERIFIED: Word("Done and read back", "good"),
    Step.Status.FAILED: Word("Failed", "bad"),
    Step.Status.UNKNOWN: Word("Not known: look at the vendor", "bad"),
    Step.Status.SKIPPED: Word("Not done", "quiet"),
    Step.Status.FORBIDDEN: Word("Forbidden by the rules", "bad"),
    Step.Status.ROLLED_BACK: Word("Rolled back", "quiet"),
}
# What no rule of engagement decides, but the account itself.
_GUARDRAILS = {
    "guardrail.protected": Word("Not done: protected account", "warn"),
    "guardrail.unknown": Word("Not done: account not known", "warn"),
}
# How the planner begins to say that a step's condition does not hold; the condition follows.
_NO_CONDITION = "the condition does not hold: "
PLANS = {
    Plan.Status.PROPOSED: Word("Proposed", "info"),
    Plan.Status.AWAITING_APPROVAL: Word("Awaiting approval", "warn"),
    Plan.Status.RUNNING: Word("Running", "info"),
    Plan.Status.DONE: Word("Done", "good"),
    Plan.Status.FAILED: Word("Failed", "bad"),
    Plan.Status.REJECTED: Word("Rejected", "quiet"),
    Plan.Status.EXPIRED: Word("Expired", "quiet"),
    Plan.Status.SHADOW: Word("Would have done (shadow)", "info"),
    Plan.Status.SUPERSEDED: Word("Planned again", "quiet"),
}
DECISIONS = {
    Approval.Decision.PENDING: Word("Waiting", "warn"),
    Approval.Decision.APPROVED: Word("Approved", "good"),
    Approval.Decision.REJECTED: Word("Rejected", "bad"),
    Approval.Decision.EXPIRED: Word("Expired", "quiet"),
    Approval.Decision.SUPERSEDED: Word("Planned again", "quiet"),
}
# "Technician" is a role as well, and one that may not approve: people read of approvers.
TIERS = {
    Tier.AUTOMATIC: "automatic",
    Tier.TECHNICIAN: "one approver",
    Tier.SECOND_TECHNICIAN: "two approvers",
    Tier.CLIENT: "the client",
    Tier.FORBIDDEN: "forbidden",
}
ASKED = {
    Tier.TECHNICIAN: "an approver",
    Tier.SECOND_TECHNICIAN: "a second approver",
    Tier.CLIENT: "the client",
}
SEVERITIES = {
    Severity.INFORMATIONAL: Word("Informational", "quiet"),
    Severity.LOW: Word("Low", "quiet"),
    Severity.MEDIUM: Word("Medium", "warn"),
    Severity.HIGH: Word("High", "bad"),
    Severity.CRITICAL: Word("Critical", "bad"),
    Severity.FATAL: Word("Fatal", "bad"),
}
_LEDGER = {
    "case.opened": Word("Case opened", "info"),
    "case.finding_joined": Word("Finding joined the case", "quiet"),
    "case.verdict": Word("Verdict", "info"),
    "case.needs_technician": Word("Put before a technician", "warn"),
    "case.rescored": Word("Risk worked out anew", "info"),
    "case.merged": Word("Two cases became one", "info"),
    "case.split": Word("Findings became a case of their own", "info"),
    "case.merge_undone": Word("Two cases again: the merge was undone", "warn"),
    "case.split_undone": Word("One case again: the split was undone", "warn"),
    "case.taken": Word("Taken by a technician", "quiet"),
    "case.closed": Word("Case closed", "good"),
    "case.reopened": Word("Case reopened", "bad"),
    "case.looked_into_again": Word("Looked into again: an alert tells more", "warn"),
    "case.verdict_stands": Word("Looked into again: the verdict stands", "info"),
    "plan.proposed": Word("Plan made", "info"),
    "plan.empty": Word("Nothing to do", "quiet"),
    "plan.superseded": Word("Planned again: what it was made on had changed", "warn"),
    "plan.gave_way": Word("What had not begun was planned again", "warn"),
    "device.excluded": Word("Device excluded from all actions", "info"),
    "device.included": Word("Device excluded no more", "warn"),
    "siem.audits_removed": Word("Older SIEM audits removed", "quiet"),
    "routine.started": Word("Routine started", "info"),
    "routine.defaults_set": Word("What a routine is given by itself changed", "info"),
    "routine.cancelled": Word("Routine cancelled before it began", "warn"),
    "routine.results": Word("What the routine found", "info"),
    "plan.shadow": Word("Shadow: planned, not done", "info"),
    "plan.carried_out": Word("Shadow plan to be carried out", "info"),
    "plan.not_available": Word("Not planned: something is not connected", "warn"),
    "plan.undo_chosen": Word("What to undo was chosen", "info"),
    "plan.asked_again": Word("Asked for again", "info"),
    "playbook.activated": Word("Playbook activated", "info"),
    "playbook.agreed": Word("Practice agreed with the playbook", "good"),
    "playbook.overridden": Word("Practice overrode the playbook", "warn"),
    "playbook.reopened": Word("Reopened: counts against the playbook", "warn"),
    "playbook.not_compared": Word("Could not be compared yet", "warn"),
    "plan.done": Word("Plan carried out", "good"),
    "plan.failed": Word("Plan failed", "bad"),
    "plan.rejected": Word("Plan not carried out", "quiet"),
    "plan.expired": Word("Plan expired", "warn"),
    "approval.requested": Word("Approval asked for", "warn"),
    "approval.approved": Word("Approved", "good"),
    "approval.rejected": Word("Rejected", "bad"),
    "approval.expired": Word("Approval expired", "warn"),
    "approval.reminded": Word("Reminded", "quiet"),
    "approval.escalated": Word("Next person asked", "warn"),
    "approval.not_reminded": Word("Nobody could be reached", "bad"),
    "client_link.created": Word("Link made for the client", "quiet"),
    "client_link.sent": Word("Link sent to the client", "quiet"),
    "client_link.not_sent": Word("Link could not be sent", "warn"),
    "client_link.opened": Word("Link opened", "quiet"),
    "client_link.used": Word("Decided by the link", "info"),
    "client_link.revoked": Word("Link counts no more", "quiet"),
    "step.intended": Word("About to", "quiet"),
    "step.called": Word("Asked the vendor", "quiet"),
    "step.verified": Word("Read back: it worked", "good"),
    "step.failed": Word("Failed", "bad"),
    "step.approved": Word("Approved", "quiet"),
    "step.unknown": Word("Not known: look at the vendor", "bad"),
    "step.skipped": Word("Not done", "quiet"),
    "step.postponed": Word("Put off", "quiet"),
    "step.held": Word("Held up", "warn"),
    "step.rolled_back": Word("Rolled back", "quiet"),
    "step.read_back_again": Word("Read back again", "quiet"),
    "step.not_read_back_again": Word("Could not be read back again", "warn"),
    "known_good.created": Word("Known-good pattern made", "info"),
    "known_good.approved": Word("Known-good pattern approved for privileged accounts", "info"),
    "known_good.renewed": Word("Known-good pattern renewed", "info"),
    "known_good.ended": Word("Known-good pattern ended", "warn"),
    "intelligence.source_added": Word("Source of indicators added", "info"),
    "intelligence.source_paused": Word("Source of indicators paused", "warn"),
    "intelligence.source_resumed": Word("Source of indicators goes on", "info"),
    "intelligence.source_removed": Word("Source of indicators removed", "warn"),
    "question.asked": Word("Somebody is asked whether it was them", "info"),
    "question.sent": Word("Question sent", "quiet"),
    "question.not_sent": Word("Question could not be sent", "warn"),
    "question.opened": Word("Question opened", "quiet"),
    "question.answered": Word("Question answered", "info"),
    "chat_channel.set": Word("Chat channel set", "info"),
    "chat_channel.removed": Word("Chat channel removed", "warn"),
    "person.absence": Word("Somebody's absence noted", "info"),
    "baseline.declared": Word("Work by hand declared anew", "quiet"),
    "case.quality": Word("Checked against the client's process", "quiet"),
    "case.reviewed": Word("Reviewed by a second technician", "info"),
    "case.process_set": Word("What is asked of closed cases changed", "info"),
    "case.known_anew": Word("Looked into again: it names what is known of attackers now", "info"),
    "threat_profile.set": Word("Threat profile changed", "info"),
    "person.joined": Word("Accounts joined to one person", "info"),
    "person.kept_apart": Word("Accounts kept apart", "info"),
    "person.match_reverted": Word("Decision on a match taken back", "warn"),
    "contact.added": Word("Contact added", "info"),
    "contact.changed": Word("Contact changed", "info"),
    "contact.moved": Word("Contacts asked in another order", "info"),
    "contact.activated": Word("Contact asked again", "info"),
    "contact.deactivated": Word("Contact asked no more", "warn"),
    "account.vip": Word("Marked as important", "info"),
    "account.no_vip": Word("Marked as not important", "info"),
    "account.vip_as_told": Word("Important as the feeds say", "info"),
    "account.criticality": Word("How critical a person is changed", "info"),
    "device.criticality": Word("How critical a device is changed", "info"),
    "device.exposed": Word("Device marked as reached from the internet", "info"),
    "device.not_exposed": Word("Device marked as not reached from the internet", "info"),
    "device.exposed_as_told": Word("Reached from the internet as the vendors say", "info"),
    "detection.stage": Word("How far a detection may go changed", "info"),
    "rules.changed": Word("Rules of engagement changed", "info"),
    "rules.msp_changed": Word("MSP-wide rules of engagement changed", "info"),
    "tenant.created": Word("Client registered", "info"),
    "tenant.changed": Word("Client's details changed", "info"),
    "onboarding.finished": Word("Client brought in", "good"),
    "consent.asked": Word("Consent asked for", "info"),
    "consent.returned": Word("Consent arrived", "info"),
    "consent.connected": Word("Consented and connected", "good"),
    "consent.refused": Word("No consent", "warn"),
    "connection.created": Word("Connected", "info"),
    "connection.changed": Word("Connection changed", "info"),
    "connection.organisation_replaced": Word("Connected to another organisation", "warn"),
    "person.parted": Word("Accounts parted", "info"),
    "person.all_weighed": Word("People found anew", "info"),
    "connection.removed": Word("Connection removed", "warn"),
    "connection.paused": Word("Connection paused", "warn"),
    "connection.resumed": Word("Connection goes on", "info"),
    "connection.broken": Word("Connection does not work", "bad"),
    "connection.recovered": Word("Connection works again", "good"),
    "connection.alarm": Word("Connection needs attention", "warn"),
    "connection.alarm_over": Word("Alarm is over", "good"),
    "connection.alarm_accepted": Word("Alarm accepted", "info"),
    "record.taken_again": Word("Record taken in out of quarantine", "info"),
    "work.stuck": Word("Work fails again and again", "bad"),
    "tenant.actions_stopped": Word("Actions stopped (kill switch)", "bad"),
    "tenant.actions_started": Word("Actions allowed again", "good"),
    "installation.actions_stopped": Word("All actions stopped (kill switch)", "bad"),
    "installation.actions_started": Word("All actions allowed again", "good"),
}


def verdict(case: Case) -> Word:
    """Return the case's verdict in words; a routine has none."""
    if case.kind == Case.Kind.ROUTINE:
        return Word("Routine", "quiet")
    if not case.verdict:
        return Word("No verdict yet", "quiet")
    return VERDICTS[Verdict(case.verdict)]


def severity(severity_id: int) -> Word:
    """Return a severity in words; unknown ids are said to be unknown."""
    return SEVERITIES.get(Severity(severity_id), Word(Severity(severity_id).label, "quiet"))


def risk(points: int) -> Word:
    """Return how urgent a risk of 0 … 100 is."""
    for floor, word in ((80, Word("Very high", "bad")), (60, Word("High", "bad"))):
        if points >= floor:
            return word
    return Word("Medium", "warn") if points >= 30 else Word("Low", "quiet")


def ledger_kind(kind: str) -> Word:
    """Return what kind of ledger entry this is, in words."""
    return _LEDGER.get(kind, Word(kind.replace(".", " ").replace("_", " ").capitalize(), "quiet"))


def ledger_subject(kind: str, subject: str) -> str:
    """Return an entry's subject in words: titles for the names of actions and verdicts."""
    if kind == "case.verdict":
        return subject.replace("_", " ").capitalize()
    if kind.startswith("approval."):
        return approval_subject(subject)
    name, _, rest = subject.partition(" ")
    title = action_title(name)
    if title == name:
        return subject
    return f"{title}: {target('mailbox_rule' if 'inbox_rule' in name else '', rest)}"


def approval_subject(subject: str) -> str:
    """Return whom an entry about an approval asks, in words."""
    for tier, asked in ASKED.items():
        if subject.startswith(f"{tier.label} for "):
            return f"{asked.capitalize()}, for {subject.removeprefix(f'{tier.label} for ')}"
    return subject


def of_plan(plan: Plan, rows: Sequence[Step]) -> Word:
    """Return how far a plan is; one that nobody rejected says what kept it from being done."""
    if plan.status != Plan.Status.REJECTED:
        return PLANS[Plan.Status(plan.status)]
    if any(row.decision == Approval.Decision.REJECTED for row in plan.approvals.all()):
        return PLANS[Plan.Status.REJECTED]
    forbidden = {of_step(row, rule_of(plan, row.key)) for row in rows}
    if len(forbidden) == 1 and {row.status for row in rows} == {Step.Status.FORBIDDEN}:
        return forbidden.pop()
    return Word("Not carried out", "quiet")


class NotNeeded(NamedTuple):
    """A step that a plan left out, why in a sentence, and its condition where that is why."""

    step: str
    why: str
    condition: str


def not_needed(plan: Plan) -> list[NotNeeded]:
    """Return what a plan left out of its playbook, in words."""
    found = []
    for item in plan.document.get("skipped", []):
        step = item.get("title") or _in_words(item["step"])
        why, _, condition = item["why"].partition(_NO_CONDITION)
        found.append(NotNeeded(step, why or "its condition does not hold here", condition))
    return found


def _in_words(key: str) -> str:
    return key.replace("_", " ").replace("-", " ").capitalize()


def rule_of(plan: Plan, key: str) -> str:
    """Return the id of the rule that gave a step its tier; empty where none is told."""
    told = [step for step in plan.document.get("steps", []) if step["id"] == key]
    return str(told[0].get("tier_rule", {}).get("id", "")) if told else ""


def of_step(row: Step, rule: str = "") -> Word:
    """Return how far a step is; `rule` is the id of the rule that gave it its tier."""
    if row.status == Step.Status.FORBIDDEN and rule in _GUARDRAILS:
        return _GUARDRAILS[rule]
    if witness.was_told_done(row):
        return Word("Done, as somebody saw; not read back", "warn")
    return STEPS[Step.Status(row.status)]


def target(kind: str, name: str) -> str:
    """Return a target's name; that of a mail rule in quotes."""
    return spoken_target(kind, name)


def action_title(name: str) -> str:
    """Return an action's title; its name where the catalog no longer has it."""
    try:
        return catalog.get(name).title
    except UnknownAction:
        return name


def provider(name: str) -> str:
    """Return what people call a provider."""
    try:
        return registry.connector(name).title
    except UnknownConnector:
        return name


def reversal(name: str) -> str:
    """Return the action that undoes `name`; empty where there is none."""
    try:
        return catalog.get(name).reversal or ""
    except UnknownAction:
        return ""


def entity(name: str) -> str:
    """Return what an alert names as people call it: ``device:sofia-pc`` as ``device sofia-pc``.

    An account goes by its name alone.
    """
    kind, _, rest = name.partition(":")
    if kind == "account" or not rest:
        return rest or name
    called = {"ip": "address", "app": "application"}.get(kind, kind.replace("_", " "))
    return f"{called} {rest}"


def alert_source(told: str) -> str:
    """Return an alert and what told of it: ``wazuh: Rootkit`` as ``Rootkit (Wazuh)``."""
    head, _, title = told.partition(": ")
    connector, _, rule = head.partition(", ")
    by = f"{provider(connector)}, our {rule.partition(' ')[0]}" if rule else provider(connector)
    return f"{title} ({by})" if title else told
