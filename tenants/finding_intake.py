"""A vendor's alerts become findings: each once, brought up to date when it is told again."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tenants import finding_versions, raw_intake, statements
from tenants.models import Finding, RawRecord, new_id
from tenants.raw_intake import Raw
from tenants.records import Finding as NormalisedFinding
from tenants.replays import replayed
from tenants.storable import bounded

Told = Sequence[tuple[Raw, NormalisedFinding]]


def keep(connector: str, told: Told) -> int:
    """Keep what a connector's records tell, in their order; return how many told something new.

    A record that is known word for word is not kept again. Runs inside the tenant's scope.
    """
    uids = [bounded(normalised.uid, 512) for _, normalised in told]
    times_told = Counter(uids)
    # What is told once only is new nearly always: it is not looked for first.
    single = [(uid, *one) for uid, one in zip(uids, told, strict=True) if times_told[uid] == 1]
    inserted = _insert(connector, single)
    left = [(uid, *one) for uid, one in zip(uids, told, strict=True) if one[0].id not in inserted]
    return len(inserted) + (_keep_later(connector, left) if left else 0)


def _insert(connector: str, told: Sequence[tuple[str, Raw, NormalisedFinding]]) -> set[uuid.UUID]:
    """Insert those that are not known; return the ids of their records."""
    rows = []
    for uid, raw, normalised in told:
        raw.outcome = RawRecord.Outcome.FINDING
        rows.append(_row(connector, uid, raw, normalised))
    return statements.insert_with_origin(
        Finding, rows, RawRecord, [raw.row() for _, raw, _ in told]
    )


def _row(connector: str, uid: str, raw: Raw, normalised: NormalisedFinding) -> dict[str, Any]:
    return {
        "id": new_id(), "tenant_id": raw.tenant_id, "case_id": None, "connector": connector,
        "uid": uid, "hash_by_feed": {raw.feed: raw.content_hash}, "times_seen": 1,
        "received_at": raw.received_at, "updated_at": raw.received_at, "needs_triage": True,
        **finding_versions.columns(normalised, raw),
    }  # fmt: skip


def _keep_later(connector: str, told: Sequence[tuple[str, Raw, NormalisedFinding]]) -> int:
    """Keep what is told of findings that are known, or several times; return how much is news."""
    known = _known(connector, [uid for uid, _, _ in told])
    again = replayed(
        connector,
        RawRecord.Outcome.FINDING,
        [(uid, raw.content_hash) for uid, raw, _ in told],
        {uid: finding.content_hash for uid, finding in known.items()},
    )
    raws: list[Raw] = []
    changed: dict[str, Finding] = {}
    news = 0
    for uid, raw, normalised in told:
        finding = known.get(uid)
        if uid in again or finding_versions.is_known(finding, raw):
            continue
        raw.outcome = RawRecord.Outcome.FINDING
        raws.append(raw)
        if finding is not None and finding_versions.is_older(normalised, finding):
            finding_versions.note(finding, raw)
        else:
            finding = finding or _new(connector, uid, raw)
            finding_versions.update(finding, normalised, raw)
            news += 1
        known[uid] = changed[uid] = finding
    _save(raws, changed.values())
    return news


def _known(connector: str, uids: Sequence[str]) -> dict[str, Finding]:
    # Locked, so that a case that it is just put into is not taken from it again.
    rows = Finding.objects.select_for_update().filter(connector=connector, uid__in=uids)
    return {finding.uid: finding for finding in rows.order_by("id")}


def _new(connector: str, uid: str, raw: Raw) -> Finding:
    return Finding(
        tenant_id=raw.tenant_id, connector=connector, uid=uid, received_at=raw.received_at,
        times_seen=0,
    )  # fmt: skip


def _save(raws: Sequence[Raw], findings: Iterable[Finding]) -> None:
    raw_intake.store(raws)
    new: list[statements.Row] = []
    known: list[statements.Row] = []
    for finding in findings:
        (new if finding._state.adding else known).append(statements.row_of(finding))
    statements.insert(Finding, new)
    statements.update(Finding, known)
