"""The report's words, for its templates."""

import datetime as dt

from django import template
from django.utils import timezone

from msp.reports import words

register = template.Library()


@register.filter
def thousands(value: int) -> str:
    """Return ``1,248``."""
    return f"{value:,}"


@register.filter
def in_words(value: int) -> str:
    """Return ``three``."""
    return words.number(value)


@register.filter
def counted(value: int, noun: str) -> str:
    """Return ``Three cases``, at the beginning of a sentence."""
    return words.sentence(words_count(value, noun))


@register.filter
def words_count(value: int, noun: str) -> str:
    """Return ``three cases``."""
    return words.count(value, noun, "people" if noun == "person" else "")


@register.filter
def duration(length: dt.timedelta) -> str:
    """Return ``4 minutes``."""
    return words.duration(length)


@register.filter
def minutes(value: int) -> str:
    """Return ``45 minutes``, ``2 hours 5 minutes``."""
    return words.duration(dt.timedelta(minutes=value))


@register.filter
def beside(at: dt.datetime, other: dt.datetime) -> str:
    """Return ``14:02``, with the day where it isn't that of `other`."""
    return words.moment(at, timezone.get_current_timezone(), other)


@register.filter
def iso(at: dt.datetime) -> str:
    """Return the instant in UTC, in W3C's profile of ISO 8601, to the second."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
