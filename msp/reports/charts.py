"""Charts as SVG images: the picture, and the words for those who can't see it. Pure."""

import base64
import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape

from msp.reports import words

_FONT = "font-family='Inter, DejaVu Sans, sans-serif'"
_INK, _QUIET, _LINE = "#14213d", "#55607a", "#d5dae4"
_BARS = ("#b9c3d6", "#7d8cab", "#b3402a", "#0f766e")
_CALM, _ATTACK = "#8794b0", "#b3402a"


@dataclass(frozen=True, slots=True)
class Chart:
    """An image to be put into a page, and its alternative text."""

    source: str
    alternative: str


def funnel(alerts: int, cases: int, real: int, contained: int) -> Chart:
    """Return bars, to scale: how many alerts became cases, were real, and were contained."""
    rows = (
        ("Alerts", alerts),
        ("Cases we looked into", cases),
        ("Real attacks", real),
        ("Contained and checked", contained),
    )
    widest = max(1, *(value for _, value in rows))
    left, full, step = 178, 400, 34
    parts = []
    for position, ((label, value), colour) in enumerate(zip(rows, _BARS, strict=True)):
        y = position * step
        width = full * value / widest
        parts.append(
            f"<text x='0' y='{y + 19}' font-size='13' fill='{_INK}' {_FONT}>{escape(label)}</text>"
            f"<line x1='{left}' y1='{y}' x2='{left}' y2='{y + step}' stroke='{_LINE}'/>"
        )
        if value:
            parts.append(
                f"<rect x='{left}' y='{y + 4}' width='{max(3.0, width):.1f}' height='22' rx='2'"
                f" fill='{colour}'/>"
            )
        parts.append(
            f"<text x='{left + max(3.0, width) + 9:.1f}' y='{y + 20}' font-size='14'"
            f" font-weight='600' fill='{_INK}' {_FONT}>{value:,}</text>"
        )
    alternative = (
        f"Bar chart. {words.count(alerts, 'alert')}, {words.count(cases, 'case')} looked into, "
        f"{words.count(real, 'real attack')}, {words.number(contained)} contained and checked."
    )
    return _chart(parts, 640, step * len(rows), alternative)


def alerts_by_day(
    days: Sequence[tuple[dt.date, int]], attack_days: Collection[dt.date], known_until: dt.date
) -> Chart:
    """Return a column for each day's alerts; days on which an attack was noticed stand out.

    Days after `known_until` are left empty and marked as not over.
    """
    most = max(1, *(number for _, number in days))
    width, height, base = 640.0, 104, 72
    slot = width / len(days)
    parts = [f"<line x1='0' y1='{base}.5' x2='{width}' y2='{base}.5' stroke='{_LINE}'/>"]
    for position, (day, number) in enumerate(days):
        x = position * slot
        is_attack = day in attack_days
        if number:
            tall = max(3.0, 52 * number / most)
            colour = _ATTACK if is_attack else _CALM
            parts.append(
                f"<rect x='{x + slot * 0.18:.1f}' y='{base - tall:.1f}' width='{slot * 0.64:.1f}'"
                f" height='{tall:.1f}' rx='1.5' fill='{colour}'/>"
            )
            if is_attack or number == most:
                parts.append(_centred(x + slot / 2, base - tall - 5, str(number), _INK, 11))
        if is_attack:
            middle = x + slot / 2
            parts.append(f"<path d='M{middle:.1f} {base + 4} l4 7 h-8 z' fill='{_ATTACK}'/>")
        if day.day == 1 or day.day % 5 == 0:
            quiet = _LINE if day > known_until else _QUIET
            parts.append(_centred(x + slot / 2, base + 26, str(day.day), quiet, 11))
    return _chart(parts, int(width), height, _told(days, attack_days))


def _told(days: Sequence[tuple[dt.date, int]], attack_days: Collection[dt.date]) -> str:
    busy = [f"{day.day} {day:%B}: {number}" for day, number in days if number]
    attacks = [f"{day.day} {day:%B}" for day in sorted(attack_days)]
    told = f"Column chart of alerts by day. {'; '.join(busy) or 'No alerts'}."
    return told + (f" Real attacks were noticed on {words.listed(attacks, 31)}." if attacks else "")


def _centred(x: float, y: float, text: str, colour: str, size: int) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='middle' fill='{colour}'"
        f" {_FONT}>{escape(text)}</text>"
    )


def _chart(parts: Sequence[str], width: int, height: int, alternative: str) -> Chart:
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'"
        f" width='{width}' height='{height}'>{''.join(parts)}</svg>"
    )
    encoded = base64.b64encode(svg.encode()).decode()
    return Chart(f"data:image/svg+xml;base64,{encoded}", words.sentence(alternative))
