"""Why a case has its verdict: the rule, what it read, what it could not read, what would change it.

Every piece of evidence is a hashed record; it counts as unchanged when its hash is that of its
content now, and the one that the verdict named.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations import catalog
from integrations.catalog import fact_words
from msp.console import answers, words
from msp.console.words import Word
from playbooks import library
from playbooks.cases import looks
from playbooks.cases.looks import Look
from playbooks.investigating import open_questions
from tenants import evidence
from tenants.models import Case, Evidence, Verdict

_PREFIX = "evidence."
# What a person has to find out is asked.
_ASKS = (Verdict.INSUFFICIENT_DATA, Verdict.SUSPICIOUS)


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One piece of evidence; `is_intact`: whether it still has the hash it was kept with."""

    row: Evidence
    words: str
    is_intact: bool


@dataclass(frozen=True, slots=True)
class OtherRow:
    """Another row of the verdict table: `when` it would hold, or the evidence that it `needs`.

    `because` is what it would say; empty for verdicts of earlier releases.
    """

    rule: str
    verdict: Word
    because: str = ""
    when: str = ""
    needs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A value that the rule looked at: what people call it, and its path in the playbook."""

    words: str
    path: str
    value: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Evidence that could not be had, why, and what to ask of whom instead.

    `row` is the record that says so, where there is one.
    """

    step: str
    title: str
    reason: str
    question: str
    whom: str
    row: Evidence | None


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The reasons. `read` is what the rule looked at, `facts` the values it found there.

    `is_intact`: whether all that the verdict was reached on is there as it was. `about` is whom or
    what it is about where the case is about several, `others` what was found about the others.
    """

    because: str
    rule: str
    playbook: str
    playbook_title: str
    version: str
    read: Sequence[EvidenceView]
    facts: Sequence[Fact]
    missing: Sequence[Missing]
    questions: Sequence[Mapping[str, str]]
    untested: Sequence[OtherRow]
    would_change: Sequence[OtherRow]
    stood_on: int
    is_intact: bool
    looked_again: dt.datetime | None
    about: str
    others: Sequence[tuple[Look, Word | None]]


def evidence_of(case: Case) -> list[EvidenceView]:
    """Return the case's evidence, the oldest first, each checked against its hash."""
    return [
        EvidenceView(row, answer(row), evidence.content_hash(row) == row.sha256)
        for row in evidence.of_case(case).order_by("asked_at", "id")
    ]


def answer(row: Evidence) -> str:
    """Return what a piece of evidence says, in one line."""
    facts = row.answer.get("facts") if row.is_available else None
    return (answers.in_words(row.gatherer, facts) if facts else "") or row.summary


def of_case(case: Case, seen: Sequence[EvidenceView]) -> VerdictView:
    """Return why the case has its verdict; `seen` is its evidence."""
    detail = case.verdict_detail
    named = {one["id"]: one["sha256"] for one in detail.get("evidence", [])}
    kept = {str(one.row.id): one.row.sha256 for one in seen if one.is_intact}
    facts = detail.get("facts", {})
    steps = {path.removeprefix(_PREFIX).split(".")[0] for path in facts if path.startswith(_PREFIX)}
    stood_on = [one for one in seen if str(one.row.id) in named]
    uses = {str(one.row.answer.get("step", "")): one.row.gatherer for one in stood_on}
    return VerdictView(
        because=str(detail.get("because", "")),
        rule=str(detail.get("rule", "")),
        playbook=str(detail.get("playbook", "")),
        playbook_title=_title(str(detail.get("playbook", ""))),
        version=str(detail.get("version", "")),
        read=list(_newest(stood_on, steps).values()),
        facts=[_fact(path, value, uses) for path, value in sorted(facts.items())],
        missing=[_missing(item, stood_on) for item in detail.get("missing", [])],
        questions=[_asked(one) for one in detail.get("questions", [])]
        if case.verdict in _ASKS
        else [],
        untested=[_other(row, uses) for row in detail.get("untested", [])],
        would_change=[_other(row, uses) for row in detail.get("would_change", [])],
        stood_on=len(named),
        is_intact=named.items() <= kept.items(),
        looked_again=_looked_again(detail),
        about=looks.leading(case).name,
        others=[
            (one, words.VERDICTS[Verdict(one.verdict)] if one.playbook else None)
            for one in looks.others(case)
        ],
    )


def _title(playbook: str) -> str:
    """Return what people call a playbook; its id where it is none that comes with Holdfast."""
    known = library.playbooks().get(playbook)
    return known.title if known else playbook


def _asked(item: Mapping[str, str]) -> dict[str, str]:
    """Return a question with how to get its answer: of somebody, or by looking somewhere."""
    how = "Look in" if item["whom"] in open_questions.PLACES else "Ask"
    return {**item, "how": f"{how} {item['whom']}"}


def _looked_again(detail: Mapping[str, Any]) -> dt.datetime | None:
    """Return when a later look last confirmed the verdict."""
    looks = detail.get("looked_again", [])
    return dt.datetime.fromisoformat(looks[-1]["at"]) if looks else None


def _newest(seen: Sequence[EvidenceView], steps: set[str]) -> dict[str, EvidenceView]:
    """Return the newest answer to each step that the rule read."""
    return {step: one for one in seen if (step := str(one.row.answer.get("step", ""))) in steps}


def _missing(item: Mapping[str, str], seen: Sequence[EvidenceView]) -> Missing:
    # Verdicts of earlier releases don't say which question it was.
    asked = open_questions.question(item["uses"]) if "uses" in item else None
    step = item["step"]
    found = _newest(seen, {step}).get(step)
    title = found.row.question if found else step.replace("_", " ").capitalize()
    return Missing(
        step, title, item["reason"], asked.words if asked else "", asked.whom if asked else "",
        found.row if found else None,
    )  # fmt: skip


def _fact(path: str, value: Any, uses: Mapping[str, str]) -> Fact:
    step, _, name = path.removeprefix(_PREFIX).partition(".")
    if path.startswith(_PREFIX):
        called = fact_words.words(uses.get(step, ""), name)
    else:
        called = fact_words.words(fact_words.OF_CASE, path)
    return Fact(called[:1].upper() + called[1:], path, _shown(value))


def _other(row: Mapping[str, Any], uses: Mapping[str, str]) -> OtherRow:
    return OtherRow(
        rule=str(row["rule"]),
        verdict=words.VERDICTS[Verdict(row["verdict"])],
        because=str(row.get("because", "")),
        when=str(row.get("when", "")),
        needs=[_needed(str(one), uses) for one in row.get("needs", [])],
    )


def _needed(told: str, uses: Mapping[str, str]) -> str:
    """Return what a row lacked: the question's title, where it is one."""
    title = catalog.get(uses[told]).title if told in uses else told.replace("_", " ")
    return title[:1].lower() + title[1:]


def _shown(value: Any) -> str:
    """Return a value in short: how many there are of what is long."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return (
            f"{len(value)} listed"
            if any(isinstance(v, dict) for v in value)
            else (", ".join(map(str, value)) or "none")
        )
    if isinstance(value, Mapping):
        return f"{len(value)} values"
    return "not told" if value is None else str(value)
