"""Rules and records for the tests of detections at work: Microsoft 365's audit log, imported."""

import itertools
from collections.abc import Mapping
from typing import Any

import yaml
from django.utils import timezone

from integrations import registry
from integrations.alerting import rulebook, stages
from integrations.alerting.rows import PackRule, RulePack
from integrations.alerting.watching import RuleWatch
from tenants import intake
from tenants.canonical import sha256_of
from tenants.records import SourceRecord

_numbers = itertools.count()
IDS = {name: f"00000000-0000-4000-8000-00000000000{n}" for n, name in enumerate("abcdefgh")}


def rule(name: str, operation: str = "", **other: Any) -> dict[str, Any]:
    """A rule for one operation of the audit log, by default one that no rule of ours knows."""
    return {
        "title": f"Rule {name}",
        "id": IDS[name],
        "name": f"rule_{name}",
        "author": "Tess Author",
        "tags": ["attack.credential-access", "attack.t1110.003"],
        "logsource": {"product": "m365", "service": "audit"},
        "detection": {"it": {"Operation": operation or f"Test-{name}"}, "condition": "it"},
        "level": "high",
        **other,
    }


def correlation(name: str, kind: str, counted: str, **other: Any) -> dict[str, Any]:
    """A correlation of the rules whose names are the letters of `counted`."""
    told = {
        "type": kind, "rules": [f"rule_{one}" for one in counted], "group-by": ["UserId"],
        "timespan": "10m",
    }  # fmt: skip
    if "count" in kind:
        told["condition"] = {"gte": 3}
    return {
        "title": f"Correlation {name}", "id": IDS[name], "level": "high",
        "correlation": {**told, **other},
    }  # fmt: skip


def install(*documents: Mapping[str, Any], stage: str = "live", pack: str = "Test") -> None:
    """Import rules as a pack, in a stage for all clients."""
    made, _ = RulePack.objects.get_or_create(
        name=pack, removed_at=None,
        defaults={
            "source": "test", "sha256": "0" * 64, "imported_at": timezone.now(),
            "imported_by": "test",
        },
    )  # fmt: skip
    for document in documents:
        PackRule.objects.create(
            pack=made, rule_id=document["id"], title=document["title"], file="test.yml",
            text=yaml.safe_dump(document), sha256=sha256_of(document), imported_at=timezone.now(),
        )  # fmt: skip
    rulebook.changed()
    for document in documents:
        if stage:
            stages.set_for_all(document["id"], stage, actor="test", why="For a test.")


def record(name: str = "a", at: str = "2026-11-20T09:00:00", **fields: Any) -> dict[str, Any]:
    """A record of the audit log that the rule of the name matches."""
    return {
        "Id": f"record-{next(_numbers)}", "CreationTime": at, "Operation": f"Test-{name}",
        "Workload": "Exchange", "RecordType": 1, "UserId": "priya@acme.example",
        "ResultStatus": "Succeeded", "OrganizationId": "o", "UserType": 0,
        "ClientIP": "203.0.113.9", **fields,
    }  # fmt: skip


def take(
    *records: Mapping[str, Any], connector: str = "microsoft365", feed: str = "unified_audit"
) -> intake.Outcome:
    """Take records of the audit log in, as its own feed brings them or as another does."""
    audit = registry.connector("microsoft365").feed("unified_audit")
    outcome = intake.take(
        connector=connector, feed=feed,
        records=[SourceRecord(one) for one in records],
        normalise=audit.normaliser({}), watch=RuleWatch(),
    )  # fmt: skip
    assert not outcome.unread, outcome.reasons
    return outcome
