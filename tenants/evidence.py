"""Evidence: what was asked of whom, when, and the answer; hashed and never changed."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from tenants import scope
from tenants.canonical import jsonable, sha256_of
from tenants.models import Case, Evidence


def record(
    case: Case,
    *,
    gatherer: str,
    question: str,
    asked_of: str,
    asked_at: dt.datetime,
    answer: Mapping[str, Any],
    is_available: bool,
    summary: str = "",
) -> Evidence:
    """Keep one answer (or that there was none) as evidence of `case`."""
    row = of_answer(
        case, gatherer=gatherer, question=question, asked_of=asked_of, asked_at=asked_at,
        answer=answer, is_available=is_available, summary=summary,
    )  # fmt: skip
    keep([row])
    return row


def of_answer(
    case: Case,
    *,
    gatherer: str,
    question: str,
    asked_of: str,
    asked_at: dt.datetime,
    answer: Mapping[str, Any],
    is_available: bool,
    summary: str = "",
) -> Evidence:
    """Return one answer (or that there was none) as evidence of `case`; it is not kept yet."""
    row = Evidence(
        tenant_id=scope.require_tenant_id(),
        case=case,
        gatherer=gatherer,
        question=question,
        asked_of=asked_of,
        asked_at=asked_at,
        answered_at=timezone.now(),
        is_available=is_available,
        answer=jsonable(answer),
        summary=summary,
    )
    row.sha256 = content_hash(row)
    return row


def keep(rows: Sequence[Evidence]) -> None:
    """Keep evidence, in this order."""
    Evidence.objects.bulk_create(rows)


def of_case(case: Case) -> QuerySet[Evidence]:
    """Return the evidence of a case, with that of the cases that were merged into it."""
    return Evidence.objects.filter(Q(case=case) | Q(case__merged_into=case))


def content(row: Evidence) -> dict[str, Any]:
    """Return everything the evidence says: what its hash is over."""
    return {
        "case": row.case_id,
        "gatherer": row.gatherer,
        "question": row.question,
        "asked_of": row.asked_of,
        "asked_at": row.asked_at,
        "answered_at": row.answered_at,
        "is_available": row.is_available,
        "answer": row.answer,
    }


def content_hash(row: Evidence) -> str:
    """Return the SHA-256 over everything the evidence says."""
    return sha256_of(content(row))
