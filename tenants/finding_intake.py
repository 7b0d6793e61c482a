"""A vendor's alerts become findings: each once, brought up to date when it is told again."""

from collections.abc import Iterable, Sequence

from tenants import finding_versions
from tenants.models import Finding, RawRecord
from tenants.records import Finding as NormalisedFinding
from tenants.replays import replayed
from tenants.storable import bounded

Told = Sequence[tuple[RawRecord, NormalisedFinding]]


def keep(connector: str, told: Told) -> int:
    """Keep what a connector's records tell, in their order; return how many told something new.

    A record that is known word for word is not kept again. Runs inside the tenant's scope.
    """
    uids = [bounded(normalised.uid, 512) for _, normalised in told]
    known = _known(connector, uids)
    again = replayed(
        connector,
        RawRecord.Outcome.FINDING,
        [(uid, raw.content_hash) for uid, (raw, _) in zip(uids, told, strict=True)],
        {uid: finding.content_hash for uid, finding in known.items()},
    )
    raws: list[RawRecord] = []
    changed: dict[str, Finding] = {}
    news = 0
    for uid, (raw, normalised) in zip(uids, told, strict=True):
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


def _new(connector: str, uid: str, raw: RawRecord) -> Finding:
    return Finding(
        tenant_id=raw.tenant_id, connector=connector, uid=uid, received_at=raw.received_at,
        times_seen=0,
    )  # fmt: skip


def _save(raws: Sequence[RawRecord], findings: Iterable[Finding]) -> None:
    """Write it down with two statements, and one more for each finding that was there before."""
    new: list[Finding] = []
    known: list[Finding] = []
    for finding in findings:
        (new if finding._state.adding else known).append(finding)
    RawRecord.objects.bulk_create(raws)
    Finding.objects.bulk_create(new)
    for finding in known:
        finding.save()
