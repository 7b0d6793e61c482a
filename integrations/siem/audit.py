"""What is wrong with a client's detection layer, judged from what was read. Pure."""

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from integrations.siem.records import AnalyticsRule, Expected, Gap, Kind, LogSource, Survey

# Not changed for so long, a rule is looked at again when its log source is gone.
STALE_AFTER = dt.timedelta(days=180)
# So many times later than usual, or a day, a log source counts as silent.
_SILENT_TIMES = 4
_SILENT_LEAST = dt.timedelta(days=1)
_MOST_OF_A_KIND = 200
_MOST_NAMED = 5
_REST = " of the same."
_ORDER = {kind: place for place, kind in enumerate(Kind)}
_COMMENT = re.compile(r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|//[^\n]*""")


def audit(survey: Survey, expected: Sequence[Expected]) -> list[Gap]:
    """Return every gap, the worst kind first."""
    found = [
        *(Gap(Kind.UNREAD, one.words, one.words, one.fix) for one in survey.unread),
        *survey.gaps,
        *_sources(survey, expected),
        *_rules(survey),
        *_duplicates(survey.rules),
    ]
    return _bounded(sorted(found, key=lambda gap: (_ORDER[gap.kind], gap.subject.lower())))


def _bounded(gaps: list[Gap]) -> list[Gap]:
    """At most so many of a kind, with how many more there are."""
    kept: list[Gap] = []
    for kind in Kind:
        own = [gap for gap in gaps if gap.kind is kind]
        kept += own[:_MOST_OF_A_KIND]
        if len(own) > _MOST_OF_A_KIND:
            left = len(own) - _MOST_OF_A_KIND
            kept.append(Gap(kind, f"{left} more", f"{left} more{_REST}", own[0].fix))
    return kept


def is_rest(gap: Mapping[str, Any]) -> bool:
    """Return whether a gap as it is kept only says how many more there are of its kind."""
    return bool(gap["words"] == f"{gap['subject']}{_REST}")


def _sources(survey: Survey, expected: Sequence[Expected]) -> Iterator[Gap]:
    known = {source.name.lower(): source for source in survey.sources}
    for one in expected:
        seen = [known[name.lower()] for name in one.names if name.lower() in known]
        gap = _of_source(survey, one, [source for source in seen if source.last_at is not None])
        if gap is not None:
            yield gap


def _of_source(survey: Survey, one: Expected, seen: list[LogSource]) -> Gap | None:
    name = " or ".join(one.names)
    if not seen:
        return Gap(
            Kind.MISSING, name,
            f"{name} brought nothing in {survey.days} days, although the client uses "
            f"{one.because}. Rules that read it see nothing.",
            f"Connect {one.because} to the SIEM, or take the log source up again where it was "
            "switched off.",
        )  # fmt: skip
    last = max(source.last_at for source in seen if source.last_at is not None)
    age = survey.at - last
    if age <= one.late_after:
        return None
    is_silent = age > max(_SILENT_LEAST, _SILENT_TIMES * one.late_after)
    return Gap(
        Kind.SILENT if is_silent else Kind.LATE, name,
        f"{name} has brought nothing for {spoken(age)}; usual is something every "
        f"{spoken(one.late_after)}.",
        f"Look at the data connector of {one.because}: its sign-in, its quota, and what sends.",
        last,
    )  # fmt: skip


def _rules(survey: Survey) -> Iterator[Gap]:
    rows = {source.name.lower(): source for source in survey.sources}
    for rule in survey.rules:
        if rule.is_given_up:
            yield Gap(
                Kind.FAILING, rule.title,
                f"The SIEM switched it off, since it kept failing: {rule.failure[:300]}",
                "Mend its query by what the message says, then switch it on again.",
                rule.failed_at,
            )  # fmt: skip
            continue
        if not rule.is_enabled:
            yield Gap(
                Kind.DISABLED, rule.title, "The rule is switched off.",
                "Switch it on, or delete it where it is no longer meant to watch.",
                rule.changed_at,
            )  # fmt: skip
            continue
        if rule.failure:
            yield Gap(
                Kind.FAILING, rule.title, f"Its last run failed: {rule.failure[:300]}",
                "Open the rule, run its query by hand and mend what the message names; a rule "
                "that keeps failing is switched off by the SIEM.",
                rule.failed_at,
            )  # fmt: skip
        gone = [name for name in rule.sources if _is_gone(rows.get(name.lower()))]
        if gone and not rule.alerts:
            yield _without_source(survey, rule, gone)
        elif rule.alerts == 0 and not rule.failure:
            yield _never_fired(survey, rule, rows)


def _is_gone(source: LogSource | None) -> bool:
    return source is None or (source.last_at is None and not source.rows)


def _without_source(survey: Survey, rule: AnalyticsRule, gone: list[str]) -> Gap:
    names = ", ".join(gone)
    if rule.changed_at is not None and survey.at - rule.changed_at > STALE_AFTER:
        return Gap(
            Kind.STALE, rule.title,
            f"It reads {names}, which brought nothing in {survey.days} days, and nobody has "
            f"changed it for {spoken(survey.at - rule.changed_at)}.",
            "Point it at the log source that took its place, or delete it.", rule.changed_at,
        )  # fmt: skip
    return Gap(
        Kind.BLIND, rule.title,
        f"It reads {names}, which brought nothing in {survey.days} days: it can't fire.",
        f"Connect what should fill {names}, or switch the rule off.", rule.changed_at,
    )  # fmt: skip


def _never_fired(survey: Survey, rule: AnalyticsRule, rows: dict[str, LogSource]) -> Gap:
    read = [rows[name.lower()] for name in rule.sources if name.lower() in rows]
    if read:
        had = ", ".join(
            f"{one.name} had {one.rows:,} rows" if one.rows is not None else f"{one.name} arrives"
            for one in read
        )
        words = f"No alert in {survey.days} days, although {had}."
    else:
        words = (
            f"No alert in {survey.days} days; whether the log sources that it reads arrive "
            "could not be told from its query."
        )
    return Gap(
        Kind.NEVER_FIRED, rule.title, words,
        "Test it with an event that it must find. Where it finds that, nothing is wrong.",
        rule.changed_at,
    )  # fmt: skip


def _duplicates(rules: Iterable[AnalyticsRule]) -> Iterator[Gap]:
    enabled = [rule for rule in rules if rule.is_enabled]
    same: dict[str, list[AnalyticsRule]] = defaultdict(list)
    alike: dict[tuple, list[AnalyticsRule]] = defaultdict(list)
    for rule in enabled:
        if rule.query.strip():
            same[normalised(rule.query)].append(rule)
        if rule.techniques and rule.sources:
            alike[tuple(sorted(rule.techniques)), tuple(sorted(rule.sources))].append(rule)
    told = set()
    for found in same.values():
        if len(found) > 1:
            told.add(frozenset(rule.id for rule in found))
            yield Gap(
                Kind.DUPLICATE, found[0].title,
                f"The same query stands in {len(found)} rules: {_named(found)}. Each hit makes "
                "several alerts.",
                "Keep one of them.",
            )  # fmt: skip
    for (techniques, sources), found in alike.items():
        if len(found) > 1 and frozenset(rule.id for rule in found) not in told:
            yield Gap(
                Kind.DUPLICATE, found[0].title,
                f"{len(found)} rules look for {', '.join(techniques)} in {', '.join(sources)}: "
                f"{_named(found)}. They may find the same.",
                "Compare them; keep both only where each finds something that the other doesn't.",
            )  # fmt: skip


def _named(rules: Sequence[AnalyticsRule]) -> str:
    names = [f"“{rule.title}”" for rule in rules[:_MOST_NAMED]]
    more = len(rules) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def normalised(query: str) -> str:
    """Return a query without comments, and with single spaces: two of these are the same query."""
    bare = _COMMENT.sub(lambda found: found[1] or " ", query)
    return re.sub(r"\s*([|=,()])\s*", r"\1", " ".join(bare.split())).rstrip("; ")


def spoken(span: dt.timedelta) -> str:
    """Return a length of time as people say it."""
    hours = max(span.total_seconds() / 3600, 0)
    number, unit = (round(hours / 24), "day") if hours >= 48 else (max(round(hours), 1), "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"
