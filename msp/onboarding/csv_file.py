"""Many clients at once from a CSV file: each row succeeds or says why, and none blocks another.

The file is read from memory and is not kept: it may hold secrets.
"""

import csv
import datetime as dt
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction
from django.utils.dateparse import parse_date

from integrations import registry
from integrations.contract import Manifest
from msp.onboarding import actions, consent, shared
from msp.onboarding.actions import ClientDetails
from msp.onboarding.errors import FieldProblem, OnboardingError
from msp.onboarding.models import Onboarding
from msp.staff.models import Technician
from msp.staff.selectors import tenants_of
from tenants import scope
from tenants.errors import HoldfastError
from tenants.models import Tenant

_log = logging.getLogger(__name__)
LARGEST_BYTES: Final = 2 * 1024 * 1024
_MOST_ROWS: Final = 2000
_CLIENT: Final = ("slug", "name", "time_zone", "country", "contact_name", "contact_email")
_RULES: Final = "rules"
_EXPIRES: Final = "expires_on"
_CONSENTED: Final = "microsoft365.consented"
_YES: Final = frozenset({"yes", "true", "1", "y"})


@dataclass(slots=True)
class Row:
    """What became of a row. `number` is its line as a spreadsheet counts, the header being 1.

    `consent_url` is to be opened by the client's administrator; it counts once.
    """

    number: int
    slug: str
    name: str = ""
    did: list[str] = field(default_factory=list)
    problems: Sequence[FieldProblem] = ()
    consent_url: str = field(default="", repr=False)

    @property
    def is_ok(self) -> bool:
        """Whether all of it could be done."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return it for machines; a problem names its column."""
        return {
            "row": self.number,
            "slug": self.slug,
            "ok": self.is_ok,
            "did": self.did,
            "problems": [{"column": one.field, "what_to_do": one.words} for one in self.problems],
            "consent_url": self.consent_url or None,
        }


def columns() -> list[str]:
    """Return every column that a file may have."""
    found = [*_CLIENT, _RULES]
    for manifest in registry.CONNECTORS.values():
        found += [f"{manifest.id}.{name}" for name in (*manifest.settings, *manifest.secrets)]
        found.append(f"{manifest.id}.{_EXPIRES}")
    return [*found, _CONSENTED]


def template() -> str:
    """Return a file with a header of what is most needed, and no row."""
    found = [*_CLIENT, _RULES]
    for manifest in registry.CONNECTORS.values():
        needed = {**manifest.settings, **manifest.secrets}
        found += [
            f"{manifest.id}.{name}"
            for name, text in needed.items()
            if not text.startswith("Optional")
        ]
    return ",".join(found) + "\r\n"


def take(content: bytes, *, actor: str, technician: Technician | None = None) -> list[Row]:
    """Bring in the clients of a file, row by row; the same file may come again.

    OnboardingError where the file as a whole can't be read; then nothing is done.
    """
    rows = _read(content)
    return [_take(number, told, actor, technician) for number, told in rows]


def _read(content: bytes) -> list[tuple[int, dict[str, str]]]:
    if len(content) > LARGEST_BYTES:
        raise _whole(f"The file is larger than {LARGEST_BYTES // 2**20} MB: split it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _whole("The file is not UTF-8: save it as “CSV UTF-8”.") from None
    first = text.partition("\n")[0]
    separator = ";" if first.count(";") > first.count(",") else ","
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        lines = [(reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)]
    except csv.Error:
        raise _whole("The file is no CSV: look for a quotation mark that is not closed.") from None
    if len(lines) > _MOST_ROWS + 1:
        raise _whole(f"The file has more than {_MOST_ROWS} rows: split it.")
    header = _header(lines)
    return [
        (number, _told(header, [cell.strip() for cell in cells])) for number, cells in lines[1:]
    ]


def _told(header: list[str], cells: list[str]) -> dict[str, str]:
    """Return a row by column; what has no column stands under no name."""
    told = dict(zip(header, cells, strict=False))
    if any(cells[len(header) :]):
        told[""] = "too many"
    return told


def _header(lines: list[tuple[int, list[str]]]) -> list[str]:
    header = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    for needed in ("slug", "name"):
        if needed not in header:
            raise OnboardingError([FieldProblem(needed, "The first line must name this column.")])
    twice = sorted({one for one in header if header.count(one) > 1})
    unknown = sorted(set(header) - set(columns()))
    if twice or unknown:
        problems = [FieldProblem(one, "This column is there twice.") for one in twice]
        problems += [FieldProblem(one, "There is no such column.") for one in unknown]
        raise OnboardingError(problems)
    return header


def _take(number: int, told: Mapping[str, str], actor: str, technician: Technician | None) -> Row:
    row = Row(number, told.get("slug", ""), told.get("name", ""))
    if "" in told:
        row.problems = [FieldProblem("", "The row has more cells than the header has columns.")]
        return row
    try:
        with transaction.atomic():
            _client(row, told, actor, technician)
    except OnboardingError as error:
        row.problems, row.did, row.consent_url = error.problems, [], ""
    except HoldfastError as error:
        row.problems, row.did, row.consent_url = [FieldProblem("", str(error))], [], ""
    except Exception as error:
        # Its text may hold what stood in the row, secrets too.
        _log.error("Row %d of a CSV file failed: %s", number, type(error).__name__)
        words = f"This row failed in a way that is a mistake of ours ({type(error).__name__})."
        row.problems, row.did, row.consent_url = [FieldProblem("", words)], [], ""
    return row


def _client(row: Row, told: Mapping[str, str], actor: str, technician: Technician | None) -> None:
    details = {name: told[name] for name in _CLIENT if told.get(name)}
    details.setdefault("slug", "")
    details.setdefault("name", "")
    details["country"] = details.get("country", "").upper()
    onboarding, is_new = actions.register(
        ClientDetails(**details), actor=actor, technician=technician
    )
    row.did.append("registered" if is_new else "registered already")
    problems: list[FieldProblem] = []
    with scope.tenant(onboarding.tenant_id):
        for manifest in registry.CONNECTORS.values():
            values = {
                name: told.get(f"{manifest.id}.{name}", "")
                for name in (*manifest.settings, *manifest.secrets)
            }
            if any(values.values()):
                with _kept_in(problems):
                    _connect(row, onboarding, manifest, values, told, actor)
        if told.get(_RULES):
            with _kept_in(problems):
                _rules(row, onboarding, told[_RULES], actor, technician)
    if problems:
        raise OnboardingError(problems)


@contextmanager
def _kept_in(problems: list[FieldProblem]) -> Iterator[None]:
    """Tell what is wrong with one part of a row beside what is wrong with the others."""
    try:
        yield
    except OnboardingError as error:
        problems.extend(error.problems)


def _connect(
    row: Row,
    onboarding: Onboarding,
    manifest: Manifest,
    values: Mapping[str, str],
    told: Mapping[str, str],
    actor: str,
) -> None:
    own_app = bool(values.get("client_id") or values.get("client_secret"))
    if shared.needs_consent(manifest) and not own_app:
        _ask_consent(row, onboarding, manifest, values["tenant_id"], told, actor)
        return
    _, what = actions.connect(
        onboarding, manifest.id,
        settings={name: values[name] for name in manifest.settings},
        secrets={name: values[name] for name in manifest.secrets},
        expires_at=_day(f"{manifest.id}.{_EXPIRES}", told.get(f"{manifest.id}.{_EXPIRES}", "")),
        actor=actor,
    )  # fmt: skip
    row.did.append(f"{manifest.title} {what}")


def _ask_consent(
    row: Row,
    onboarding: Onboarding,
    manifest: Manifest,
    expected: str,
    told: Mapping[str, str],
    actor: str,
) -> None:
    if manifest.id not in onboarding.connectors:
        actions.choose(onboarding, [*onboarding.connectors, manifest.id])
    if consent.is_connected(manifest.id):
        row.did.append(f"{manifest.title} connected already")
        return
    if row.consent_url or any("consent" in one for one in row.did):
        return
    if told.get(_CONSENTED, "").lower() in _YES:
        consent.try_without_asking(onboarding, expected, actor=actor)
        row.did.append(f"{manifest.title}: the consent given before is being tried")
        return
    row.consent_url = consent.ask(onboarding, expected, actor=actor)
    row.did.append(f"{manifest.title} waits for consent")


def _rules(
    row: Row,
    onboarding: Onboarding,
    told: str,
    actor: str,
    technician: Technician | None,
) -> None:
    source = None
    if told.lower() != "msp":
        seen = tenants_of(technician) if technician else Tenant.objects.all()
        source = seen.filter(slug=told).first()
        if source is None:
            words = "Enter msp, or the short name of a client whose rules are to be copied."
            raise OnboardingError([FieldProblem(_RULES, words)])
    actions.choose_rules(onboarding, source, actor=actor)
    row.did.append("rules chosen")


def _day(column: str, text: str) -> dt.datetime | None:
    if not text:
        return None
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise OnboardingError([FieldProblem(column, "Enter the day as 2026-12-31.")])
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _whole(words: str) -> OnboardingError:
    return OnboardingError([FieldProblem("", words)])
