"""The rules of engagement that are in force, and new versions of them.

Versions are kept for ever: a new one is another row, and the newest is in force.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.db import connection

from integrations import registry
from playbooks import engagement, library, planner
from playbooks.adoption import golden
from playbooks.engagement import Engagement, Judgement
from playbooks.errors import PlaybookError
from playbooks.expressions import given
from playbooks.language import Playbook
from playbooks.models import MspRules, RulesOfEngagement
from playbooks.people import named
from tenants import ledger, scope, work
from tenants.canonical import jsonable
from tenants.errors import HoldfastError
from tenants.models import Tenant
from tenants.statements import Statement
from tenants.storable import storable

_NAME = "rules of engagement"
# Read several times for each step of a run.
_NEWEST: Final = Statement("""
SELECT (SELECT id FROM playbooks_rulesofengagement
         WHERE tenant_id = %(tenant)s ORDER BY version DESC LIMIT 1),
       (SELECT id FROM playbooks_msprules ORDER BY version DESC LIMIT 1)
""")


def in_force() -> Engagement:
    """Return the rules of the scope's tenant: its newest, laid on the MSP-wide ones if it says so.

    The MSP-wide rules hold where the tenant has none of its own.
    """
    ((own, msp),) = _NEWEST.rows(tenant=scope.require_tenant_id())
    return _read_once(own, msp)


@lru_cache(maxsize=512)
def _read_once(own: uuid.UUID | None, msp: int | None) -> Engagement:
    """Return what a tenant's row and the MSP's come to: rows are never changed once kept."""
    base = MspRules.objects.get(id=msp).document if msp else engagement.default().document
    document = RulesOfEngagement.objects.get(id=own).document if own else base
    if engagement.is_override(document):
        return engagement.lay_on(base, document, _NAME)
    return engagement.load_engagement(document)


def newest_of_tenant() -> RulesOfEngagement | None:
    """Return the newest version of the scope's tenant's own rules; None where it has none."""
    return RulesOfEngagement.objects.order_by("-version").first()


def effective(
    document: Mapping[str, Any], name: str = _NAME, at: Callable[..., str] | None = None
) -> Engagement:
    """Return what a tenant's document comes to under the MSP-wide rules of now.

    `at` says where in a file a value stands, for messages; without it they begin with `name`.
    """
    if engagement.is_override(document):
        return engagement.lay_on(msp_wide().document, document, name, at)
    return engagement.load_engagement(document, name, at)


def newest_msp_wide() -> MspRules | None:
    """Return the newest version of the MSP-wide rules; None where those of Holdfast hold."""
    return MspRules.objects.order_by("-version").first()


def must_follow(newest: RulesOfEngagement | MspRules | None, after: int | None) -> None:
    """PlaybookError where rules were made from the version `after`, which is not the newest."""
    if newest is None or after is None or after == newest.version:
        return
    raise PlaybookError(
        [
            f"The rules were changed since you opened them ({named(newest.author)} made "
            f"version {newest.version}): look at them, then save."
        ]
    )


def msp_wide() -> Engagement:
    """Return the MSP-wide rules: the newest version, or the file that comes with Holdfast."""
    newest = newest_msp_wide()
    return engagement.load_engagement(newest.document) if newest else engagement.default()


def own_rules() -> dict[uuid.UUID, dict[str, Any]]:
    """Return the newest rules of their own of the tenants that the scope reads, by tenant.

    One query; tenants without any are left out.
    """
    rows = RulesOfEngagement.objects.order_by("tenant_id", "-version").distinct("tenant_id")
    return {row.tenant_id: row.document for row in rows}


def save(document: Mapping[str, Any], *, actor: str, after: int | None = None) -> RulesOfEngagement:
    """Make `document` the newest version of the scope's tenant's rules; `version` is set here.

    `after`: the version that it was made from, 0 for none. PlaybookError where that is no longer
    the newest, or the document can't be loaded or leaves a playbook's step no possible tier.
    """
    check(document)
    _one_at_a_time(f"rules {scope.require_tenant_id()}")
    newest = newest_of_tenant()
    must_follow(newest, after)
    version = newest.version + 1 if newest else 1
    told = {**storable(jsonable(document)), "version": version}
    row = RulesOfEngagement.objects.create(
        tenant_id=scope.require_tenant_id(),
        version=version,
        document=told,
        sha256=effective(told).sha256,
        author=actor,
    )
    _note("rules.changed", row, actor)
    work.schedule("replan", row.tenant_id)
    return row


def save_msp_wide(document: Mapping[str, Any], *, actor: str, after: int | None = None) -> MspRules:
    """Make `document` the newest version of the MSP-wide rules; `version` is set here.

    `after`: the version that it was made from. PlaybookError where that is no longer the newest,
    or the document can't be loaded or leaves a playbook's step no possible tier. Stands in every
    tenant's ledger. Runs inside a transaction, outside every tenant's scope.
    """
    check_msp_wide(document)
    _one_at_a_time("rules of the MSP")
    newest = newest_msp_wide()
    must_follow(newest, after)
    version = (newest or engagement.default()).version + 1
    told = {**storable(jsonable(document)), "version": version}
    sha256 = engagement.load_engagement(told).sha256
    row = MspRules.objects.create(version=version, document=told, sha256=sha256, author=actor)
    for tenant in Tenant.objects.all():
        with scope.tenant(tenant.id):
            _note("rules.msp_changed", row, actor)
            work.schedule("replan", tenant.id)
    return row


def check(
    document: Mapping[str, Any], name: str = _NAME, at: Callable[..., str] | None = None
) -> Engagement:
    """Return what a tenant's document comes to; PlaybookError lists why it can't be in force."""
    rules = effective(storable(document), name, at)
    problems = [f"{name}: {told}" for told in _impossible(rules)]
    if engagement.is_override(document):
        known = sorted(rule.id for rule in msp_wide().rules)
        place = at("without") if at else name
        problems += [
            f"{place}: without: the MSP has no rule {one!r}; its rules: {', '.join(known)}"
            for one in document.get("without") or []
            if one not in known
        ]
    if problems:
        raise PlaybookError(problems)
    return rules


def check_msp_wide(
    document: Mapping[str, Any], name: str = _NAME, at: Callable[..., str] | None = None
) -> Engagement:
    """Return the MSP-wide rules that a document comes to; PlaybookError lists what is wrong."""
    rules = engagement.load_engagement(storable(document), name, at)
    problems = _impossible(rules)
    if problems:
        raise PlaybookError([f"{name}: {told}" for told in problems])
    return rules


def _impossible(rules: Engagement) -> list[str]:
    """Return the rules that fail on a playbook's step on all its examples: nothing could be done.

    A rule that forbids on purpose is no problem; one that can't be evaluated is.
    """
    failures: dict[tuple[str, str], str] = {}
    possible: set[tuple[str, str]] = set()
    for playbook in library.playbooks().values():
        if playbook.kind == "investigation":
            continue
        for planned in _planned(playbook):
            found = planned.judged(rules)
            key = (playbook.id, planned.step)
            if found.failed:
                failures.setdefault(key, f"rule {found.rule}: {found.title}")
            else:
                possible.add(key)
    found_by_rule: dict[str, list[str]] = {}
    for (playbook_id, step), told in failures.items():
        if (playbook_id, step) not in possible:
            found_by_rule.setdefault(told, []).append(f"{playbook_id} ({step})")
    return [
        f"{told} So nothing could be done in {', '.join(steps[:3])}: ask with has(…) first."
        for told, steps in found_by_rule.items()
    ]


def _examples(playbook: Playbook) -> list[dict[str, Any]]:
    example = dict(playbook.example)
    return [example] + [golden.merged(example, test.get("change", {})) for test in playbook.tests]


@dataclass(frozen=True, slots=True)
class _Planned:
    """A step that a playbook plans for one of its examples, whatever the rules are."""

    step: str
    action: str
    target: Mapping[str, Any]
    facts: Mapping[str, Any]

    def judged(self, rules: Engagement) -> Judgement:
        """Return what rules say to it."""
        return engagement.judge(
            rules, action=self.action, target=self.target, objects=1, facts=self.facts
        )


# Planning all examples takes as long as a page may; they change with a playbook only, and with
# what the connectors can do.
_KNOWN: dict[tuple[str, frozenset[str]], tuple[_Planned, ...]] = {}


def _planned(playbook: Playbook) -> tuple[_Planned, ...]:
    """Return the steps that the playbook plans for its examples; planned once in a process."""
    key = (playbook.source_sha256, frozenset(registry.CONNECTORS))
    if key not in _KNOWN:
        _KNOWN[key] = tuple(one for facts in _examples(playbook) for one in _plan(playbook, facts))
    return _KNOWN[key]


def _plan(playbook: Playbook, facts: dict[str, Any]) -> list[_Planned]:
    try:
        steps = planner.plan(playbook, facts, engagement.default())["steps"]
    except HoldfastError:
        # An example on which the playbook has no plan says nothing about the rules.
        return []
    seen = given.clean(facts)
    return [
        _Planned(step["id"].partition("[")[0], step["action"], step["target"], seen)
        for step in steps
    ]


def _one_at_a_time(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 6))", [name])


def _note(kind: str, row: RulesOfEngagement | MspRules, actor: str) -> None:
    ledger.append(
        kind, actor=actor, subject=f"rules of engagement version {row.version}",
        body={"version": row.version, "sha256": row.sha256, "document": row.document},
    )  # fmt: skip
