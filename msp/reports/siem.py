"""How the client's own SIEM was found, in the owner's words."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from integrations.models import SiemAudit
from integrations.siem import acceptance, auditing
from integrations.siem.history import key
from integrations.siem.records import Kind
from msp.reports import words
from msp.reports.content import SiemLook, SiemProblem, Span

_NAMED = 5
_TITLES = {
    Kind.FAILING: "Rules that stop with an error",
    Kind.MISSING: "Records that never arrive, although you use the product",
    Kind.SILENT: "Records that have stopped arriving",
    Kind.BLIND: "Rules that can’t warn, because what they read does not arrive",
    Kind.STALE: "Old rules that read what is no longer there",
    Kind.LATE: "Records that arrive late",
    Kind.UNREAD: "What we were not allowed to look at",
    Kind.NEVER_FIRED: "Rules that never warned in the time we looked at",
    Kind.DUPLICATE: "Rules that do the same as another",
    Kind.DISABLED: "Rules that are switched off",
}
# What there is to be done, and by whom.
_TODO = {
    Kind.FAILING: "We mend them with whoever keeps the system.",
    Kind.MISSING: "Whoever keeps the system connects the product to it.",
    Kind.SILENT: "Whoever keeps the system finds out what stopped sending.",
    Kind.BLIND: "Connect what they read, or switch them off.",
    Kind.STALE: "Point them at what took its place, or delete them.",
    Kind.LATE: "We watch whether it gets worse.",
    Kind.UNREAD: "Let us read it, or accept that we can’t speak of it.",
    Kind.NEVER_FIRED: "They are tried with an event that they must find.",
    Kind.DUPLICATE: "One of them is enough.",
    Kind.DISABLED: "Switch them on, or delete them.",
}


def looks(span: Span) -> tuple[SiemLook, ...]:
    """Return the month's last look at each SIEM of the scope's tenant, by name."""
    made = auditing.newest_between(span.start, span.until)
    answered = auditing.newest_between(span.start, span.until, answered=True)
    last = {one.connection_id: one for one in made}
    told = {**last, **{one.connection_id: one for one in answered}}
    return tuple(
        _look(one, last[one.connection_id], span)
        for one in sorted(told.values(), key=lambda one: one.connection.name)
    )


def _look(made: SiemAudit, last: SiemAudit, span: Span) -> SiemLook:
    compared = [one for one in made.comparisons if one["there"] is not None]
    found = acceptance.in_force([made.connection], span.until - timedelta(microseconds=1))
    lived_with = {(kind, subject): one.reason for (_, kind, subject), one in found.items()}
    return SiemLook(
        name=words.printable(made.connection.name),
        at=made.at,
        failed=bool(made.error),
        fell_silent=bool(last.error) and not made.error,
        sources=made.sources,
        rules=made.rules,
        rules_enabled=made.rules_enabled,
        problems=tuple(_problems([gap for gap in made.gaps if key(gap) not in lived_with])),
        accepted=_accepted(
            [
                (words.printable(str(gap["subject"])), words.printable(lived_with[key(gap)]))
                for gap in made.gaps
                if key(gap) in lived_with
            ]
        ),
        put_right=len(made.gone),
        compared=len(compared),
        same=sum(bool(one["same"]) for one in compared),
    )


def _accepted(told: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    more = len(told) - _NAMED
    return (*told[:_NAMED], *([(f"and {more} more", "")] if more > 0 else []))


def _problems(gaps: list[dict[str, Any]]) -> Iterable[SiemProblem]:
    for kind, title in _TITLES.items():
        own = [gap for gap in gaps if gap["kind"] == kind]
        named = [words.printable(str(gap["subject"])) for gap in own]
        if named:
            seen = [datetime.fromisoformat(gap["first_seen"]) for gap in own
                    if gap.get("first_seen")]  # fmt: skip
            more = (f"and {len(named) - _NAMED} more",) if len(named) > _NAMED else ()
            yield SiemProblem(
                title, len(named), (*named[:_NAMED], *more), min(seen, default=None), _TODO[kind]
            )
