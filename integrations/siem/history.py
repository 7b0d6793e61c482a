"""Since when a gap is there, and which are there no more: an audit beside the one before. Pure."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.siem.audit import is_rest
from integrations.siem.records import Gap, Kind

Json = dict[str, Any]


def key(gap: Mapping[str, Any]) -> tuple[str, str]:
    """Return by what a gap is the same in two audits."""
    return str(gap["kind"]), str(gap["subject"])


def with_first_seen(
    gaps: Sequence[Gap], before: Sequence[Json], before_at: dt.datetime | None, at: dt.datetime
) -> list[Json]:
    """Return the gaps as they are kept, each with the audit in which it was first seen.

    What was late and is silent now is wrong since it was late: it is known by its subject.
    Audits of earlier releases did not keep that: then it is the one before.
    """
    known: dict[str, str] = {}
    for one in before:
        seen = one.get("first_seen") or _iso(before_at or at)
        known[one["subject"]] = min(seen, known.get(one["subject"], seen))
    told = [gap.as_json() for gap in gaps]
    return [{**one, "first_seen": known.get(one["subject"], _iso(at))} for one in told]


def gone(gaps: Sequence[Json], before: Sequence[Json]) -> list[Json]:
    """Return what was wrong in the audit before and is not now, whatever was wrong with it.

    Where of a kind there are more gaps than are named, one that isn't named may still be there.
    Nothing where this audit could not read all that the one before could: what isn't seen is not
    therefore put right.
    """
    unread = [{key(one) for one in told if one["kind"] == Kind.UNREAD} for told in (gaps, before)]
    if unread[0] - unread[1]:
        return []
    still = {one["subject"] for one in gaps}
    not_all_named = {one["kind"] for one in gaps if is_rest(one)}
    return [
        {name: one.get(name) for name in ("kind", "subject", "words", "first_seen")}
        for one in before
        if one["subject"] not in still
        and one["kind"] not in (Kind.UNREAD, *not_all_named)
        and not is_rest(one)
    ]


def _iso(at: dt.datetime) -> str:
    return at.isoformat(timespec="seconds")
