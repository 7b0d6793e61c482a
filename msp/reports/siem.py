"""How the client's own SIEM was found, in the owner's words."""

from collections.abc import Iterable
from typing import Any

from integrations.models import SiemAudit
from integrations.siem import auditing
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


def looks(span: Span) -> tuple[SiemLook, ...]:
    """Return the month's last look at each SIEM of the scope's tenant, by name."""
    made = auditing.newest_between(span.start, span.until)
    return tuple(_look(one) for one in sorted(made, key=lambda one: one.connection.name))


def _look(made: SiemAudit) -> SiemLook:
    compared = [one for one in made.comparisons if one["there"] is not None]
    return SiemLook(
        name=words.printable(made.connection.name),
        at=made.at,
        failed=bool(made.error),
        sources=made.sources,
        rules=made.rules,
        rules_enabled=made.rules_enabled,
        problems=tuple(_problems(made.gaps)),
        compared=len(compared),
        same=sum(bool(one["same"]) for one in compared),
    )


def _problems(gaps: list[dict[str, Any]]) -> Iterable[SiemProblem]:
    for kind, title in _TITLES.items():
        named = [words.printable(str(gap["subject"])) for gap in gaps if gap["kind"] == kind]
        if named:
            more = (f"and {len(named) - _NAMED} more",) if len(named) > _NAMED else ()
            yield SiemProblem(title, len(named), (*named[:_NAMED], *more))
