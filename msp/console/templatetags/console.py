"""How times, hashes and tones are written in the console."""

import datetime as dt
import re
from collections.abc import Sequence

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from integrations import techniques
from msp.console import words
from playbooks.adoption.agreement import Measured
from playbooks.people import named
from playbooks.quality.measures import Share
from playbooks.quality.opinions import Opinions

register = template.Library()

_STEPS = ("connect", "test", "rules")
_FIELDS = {
    "slug": "Short name",
    "contact_name": "Contact",
    "contact_email": "The contact’s e-mail address",
}
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


@register.filter
def ago(at: dt.datetime | None) -> str:
    """Return how long ago (or in how long) a time is: ``5 min``, ``3 h``, ``2 d``."""
    if at is None:
        return ""
    seconds = abs(int((timezone.now() - at).total_seconds()))
    for size, unit in _UNITS:
        # Of one day the hours are told: a day less a minute is not "23 h" of two.
        if seconds >= (2 * size if unit == "d" else size):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


@register.filter
def moment(at: dt.datetime | None) -> SafeString | str:
    """Return a time in UTC, to the second, with its age beside the pointer."""
    if at is None:
        return ""
    utc = at.astimezone(dt.UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        utc.isoformat(timespec="seconds"),
        f"{ago(at)} {'ago' if at <= timezone.now() else 'from now'}",
        f"{utc.day} {utc:%b %H:%M:%S}",
    )


@register.filter
def short(sha256: str) -> str:
    """Return the start of a hash, enough to compare by eye."""
    return sha256[:12]


@register.filter
def agreement(measured: Measured) -> str:
    """Return how many of a playbook's runs nothing speaks against: ``1 of 2 runs (50 %)``."""
    if not measured.runs:
        return "No run yet"
    runs = f"{measured.runs} run{'s' * (measured.runs != 1)}"
    return f"{measured.runs - measured.against} of {runs} ({measured.percent} %)"


@register.filter
def second_opinions(told: Opinions) -> str:
    """Return ``5 of 8 agreed (62 %); weighted 81 %, kappa 0.63``."""
    if not told.given:
        return "not measured"
    kappa = f", kappa {told.kappa}" if told.kappa is not None else ""
    return (
        f"{told.agreed} of {told.given} agreed ({told.percent} %);"
        f" weighted {told.weighted_percent} %{kappa}"
    )


@register.filter
def technique(id_: str) -> SafeString:
    """Return an ATT&CK technique's id with its name, as a link to what MITRE says of it."""
    address = f"https://attack.mitre.org/techniques/{id_.replace('.', '/')}/"
    return format_html(
        '<a href="{}" rel="noreferrer">{}</a> {}', address, id_, techniques.name_of(id_)
    )


@register.filter
def technique_names(ids: Sequence[str]) -> str:
    """Return ATT&CK techniques by id and name, in one line."""
    return "; ".join(techniques.titled(one) for one in ids)


@register.filter
def took(seconds: float | None) -> str:
    """Return a measured length of time: ``45 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    if seconds is None:
        return "not measured"
    whole = round(seconds)
    for size, unit, smaller, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{whole // 60} min" if whole >= 60 else f"{whole} s"


@register.filter
def share(told: Share) -> str:
    """Return a measured share: ``3 of 4 (75 %)``."""
    return f"{told.part} of {told.of} ({told.percent} %)" if told.of else "not measured"


@register.filter
def words_of(name: str) -> str:
    """Return a name of the machine's as words: ``risk_detections`` as ``risk detections``."""
    return name.replace("_", " ").replace("-", " ")


@register.filter
def actor(told: str) -> str:
    """Return who did something as people name them: ``technician:sam`` as ``sam``."""
    return named(told)


@register.filter
def field_name(name: str) -> str:
    """Return a field as its form labels it; empty for a step, which its message names itself."""
    if name in _STEPS:
        return ""
    connector, _, setting = name.rpartition(".")
    told = _FIELDS.get(name) or setting.replace("_", " ").capitalize()
    return f"{words.provider(connector)}, {told.lower()}" if connector else told


@register.filter
def provider(name: str) -> str:
    """Return what people call a provider: ``microsoft365`` as ``Microsoft 365``."""
    return words.provider(name)


@register.filter
def entity_in_words(entity: str) -> str:
    """Return what an alert names as people call it: ``device:sofia-pc`` as ``device sofia-pc``."""
    return words.entity(entity)


@register.filter
def entities_in_words(entities: Sequence[str]) -> str:
    """Return all that alerts name, as people call it."""
    return ", ".join(map(words.entity, entities))


@register.filter
def sources_in_words(sources: Sequence[str]) -> str:
    """Return alerts with what told of them: ``wazuh: Rootkit`` as ``Rootkit (Wazuh)``."""
    return "; ".join(map(words.alert_source, sources))


@register.filter
def by_whom(actor: str) -> str:
    """Return whoever did something as people call them: ``technician:ann`` as ``ann``."""
    return named(actor)


@register.simple_tag
def chip(word: words.Word) -> SafeString:
    """Return a label in its tone."""
    return format_html('<span class="hf-chip hf-{}">{}</span>', word.tone, word.label)


@register.filter
def breakable(name: str) -> SafeString:
    """Return a long name of the machine's that may go on in the next line after a dot or slash."""
    parts = [part for part in re.split(r"(?<=[./])", name) if part]
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in parts))


@register.simple_tag
def bars(days: Sequence[tuple[dt.date, int]]) -> SafeString:
    """Return a small picture of a number a day, the last day on the right."""
    most = max((number for _, number in days), default=0) or 1
    drawn = format_html_join(
        "",
        '<rect x="{}" y="{}" width="6" height="{}"><title>{}: {}</title></rect>',
        (
            (place * 8, 28 - _height(number, most), _height(number, most), day, number)
            for place, (day, number) in enumerate(days)
        ),
    )
    said = ", ".join(str(number) for _, number in days)
    return format_html(
        '<svg class="hf-bars" width="{}" height="28" role="img" aria-label="Records a day: {}">'
        "{}</svg>",
        len(days) * 8,
        said,
        drawn,
    )


def _height(number: int, most: int) -> int:
    """Return the height of a bar in pixels: a day with any record has one that can be seen."""
    return max(2, round(28 * number / most)) if number else 1
