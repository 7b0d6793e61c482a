"""Usage as JSON and CSV: the same for the API and the command."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from msp.licensing.periods import Period
from msp.licensing.selectors import TenantUsage

COLUMNS = (
    "period",
    "tenant",
    "name",
    "seats",
    "seat_days",
    "peak_seats",
    "average_seats",
    "days_counted",
)
# A spreadsheet runs a cell that begins with one of these as a formula
# (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def as_json(period: Period, usages: Sequence[TenantUsage]) -> dict[str, Any]:
    """Return the usage of a period as plain JSON, with the sums over all tenants in it."""
    return {
        "period": str(period),
        "first_day": period.first_day.isoformat(),
        "last_day": period.last_day.isoformat(),
        "seats": sum(usage.seats for usage in usages),
        "seat_days": sum(usage.seat_days for usage in usages),
        "tenants": [_tenant(usage) for usage in usages],
    }


def _tenant(usage: TenantUsage) -> dict[str, Any]:
    return {
        "slug": usage.slug,
        "name": usage.name,
        "seats": usage.seats,
        "seat_days": usage.seat_days,
        "peak_seats": usage.peak_seats,
        "average_seats": usage.average_seats,
        "days_counted": usage.days_counted,
        "not_counted": dict(usage.not_counted),
        "daily": [{"day": day.day.isoformat(), "seats": day.seats} for day in usage.daily],
    }


def as_csv(told: dict[str, Any]) -> str:
    """Return what `as_json` told as CSV (RFC 4180): a header, and a line for each tenant."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for tenant in told["tenants"]:
        row = {**tenant, "period": told["period"], "tenant": tenant["slug"]}
        writer.writerow([_cell(row[column]) for column in COLUMNS])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would run."""
    is_formula = isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA_STARTS)
    return f"'{value}" if is_formula else value
