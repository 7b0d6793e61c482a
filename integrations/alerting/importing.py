"""Packs of Sigma rules that the MSP brings: imported, replaced by a newer version, and removed.

A rule is kept as its author wrote it, with its licence. A rule whose text is the same is left as
it is; another text of the same rule takes its place, and the one before stays in the rows. A rule
that a newer version of its pack has no more is withdrawn: it runs no longer, and is shown as such.
"""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from integrations.alerting import failing, rulebook
from integrations.alerting.rows import PackRule, RulePack
from integrations.alerting.rulebook import Entry
from integrations.detection import legacy, loading, placeholders
from integrations.detection.documents import documents
from integrations.detection.errors import Broken, RulesUnreadable
from integrations.detection.files import LARGEST_BYTES, files_of
from integrations.detection.placeholders import Values
from integrations.detection.rules import NotRun
from integrations.errors import DetectionError
from tenants.canonical import sha256_of

_PART: Final = re.compile(r"^---[ \t]*$", re.MULTILINE)
_ACTION: Final = re.compile(rb"^action:", re.MULTILINE)
_LONGEST_NAME: Final = 200
# So many rules are not withdrawn unasked where they are most of the pack: it may be a part of it.
_MANY: Final = 10


class Missing(StrEnum):
    """What becomes of rules that a pack had and has no more; most of a pack only where asked."""

    UNLESS_MANY = "unless-many"
    WITHDRAW = "withdraw"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A rule that runs no more, and why."""

    file: str
    title: str
    reason: str


@dataclass
class Imported:
    """What came of an import, by the rules' titles; `not_run` and `withdrawn` with reasons.

    `blind` are for log sources that no connector brings; `filtered` are rules that a filter of the
    pack leaves something out of.
    """

    pack: str
    new: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    withdrawn: list[Withdrawn] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    filtered: list[str] = field(default_factory=list)
    not_run: Sequence[NotRun] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the numbers, and what is not run with the reasons."""
        return {
            "pack": self.pack,
            "new": len(self.new),
            "replaced": len(self.replaced),
            "unchanged": len(self.unchanged),
            "withdrawn": [
                {"file": one.file, "title": one.title, "reason": one.reason}
                for one in self.withdrawn
            ],
            "blind": self.blind,
            "filtered": self.filtered,
            "not_run": [
                {"file": one.file, "title": one.title, "kind": one.kind, "reason": one.reason}
                for one in self.not_run
            ],
        }


def take(
    path: Path, *, name: str, actor: str, licence: str = "",
    missing: Missing = Missing.UNLESS_MANY, values: Values | None = None,
) -> Imported:  # fmt: skip
    """Import a file, a folder or an archive of Sigma rules as the pack `name`.

    `values` are those of its placeholders; None leaves those that it has. `missing` says what
    becomes of rules that the pack had and has no more. DetectionError or RulesUnreadable where
    nothing of it can be run, or the name can't be; DetectionError too where most of the pack would
    be withdrawn, and that is not what was asked for.
    """
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or name.casefold() == rulebook.OWN.casefold():
        raise DetectionError("Give the pack a name of its own with --name.")
    files = list(files_of(path))
    if not files:
        raise RulesUnreadable(f"No file in {path} ends in .yml or .yaml: there are no rules in it.")
    if values is None:
        values = _values_of(name)
    book = rulebook.made_of(
        [(file, content, rulebook.OWN, "") for file, content in rulebook.own_files()]
        + [(f"{name}/{file}", content, name, licence) for file, content in files],
        values={name: values},
    )
    not_run = [
        NotRun(one.file.removeprefix(f"{name}/"), one.title, one.kind, one.reason)
        for one in book.not_run
        if one.file.startswith(f"{name}/")
    ]
    entries = [one for one in (*book.entries.values(), *book.filters) if one.pack == name]
    if not entries:
        first = f" The first: {not_run[0].file}: {not_run[0].reason}." if not_run else ""
        raise RulesUnreadable(f"No rule in {path} can be run.{first}")
    texts = _texts(files)
    with transaction.atomic():
        _one_at_a_time()
        told = _keep(path, name, licence, actor, entries, texts, not_run, missing, values)
        if not (told.new or told.replaced or told.unchanged):
            why = told.not_run[0]
            raise DetectionError(f"No rule of it was taken. The first: {why.file}: {why.reason}.")
        unknown = {rule.id for rule in book.engine.blind()}
        told.blind = sorted(entry.title for entry in entries if entry.id in unknown)
        of_pack = {entry.title for entry in book.filters if entry.pack == name}
        told.filtered = sorted(one.title for one in book.pack.rules if of_pack & {*one.filters})
        failing.hasten([entry.id for entry in entries])
        return told


def remove(name: str, *, actor: str) -> int:
    """Take a pack out of use; return how many rules it had. What they found stays."""
    with transaction.atomic():
        _one_at_a_time()
        pack = RulePack.objects.filter(name=name, removed_at=None).first()
        if pack is None:
            held = RulePack.objects.filter(removed_at=None).values_list("name", flat=True)
            known = ", ".join(held) or "none"
            raise DetectionError(f"There is no pack {name!r}. Imported are: {known}.")
        now = timezone.now()
        number = pack.rules.filter(replaced_at=None).update(replaced_at=now)
        pack.removed_at, pack.removed_by = now, actor
        pack.save(update_fields=["removed_at", "removed_by"])
        rulebook.changed()
        return number


def _values_of(name: str) -> Values:
    """The values of placeholders that were given for a pack before."""
    pack = RulePack.objects.filter(name=name, removed_at=None).first()
    return placeholders.kept(pack.placeholders) if pack else placeholders.NONE


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('rule packs', 13))")


def _keep(
    path: Path, name: str, licence: str, actor: str, entries: Sequence[Entry],
    texts: dict[tuple[str, str], str], not_run: Sequence[NotRun], missing: Missing, values: Values,
) -> Imported:  # fmt: skip
    now = timezone.now()
    told = Imported(name, not_run=not_run)
    pack, _ = RulePack.objects.get_or_create(
        name=name, removed_at=None, defaults={"imported_at": now, "imported_by": actor}
    )
    in_force = {
        row.rule_id: row for row in PackRule.objects.filter(replaced_at=None).select_related("pack")
    }
    for entry in entries:
        file = entry.file.removeprefix(f"{name}/")
        text = texts.get((file, entry.title)) or entry.text
        digest = sha256_of({"file": file, "text": text})
        before = in_force.get(entry.id)
        if before is not None and before.pack_id != pack.id:
            reason = f"the pack {before.pack.name} has a rule of the same id: {before.file}"
            told.not_run = [*told.not_run, NotRun(file, entry.title, "broken", reason)]
            continue
        if before is not None and before.sha256 == digest:
            told.unchanged.append(entry.title)
            continue
        if before is not None:
            before.replaced_at = now
            before.save(update_fields=["replaced_at"])
        (told.replaced if before else told.new).append(entry.title)
        PackRule.objects.create(
            pack=pack, rule_id=entry.id[:300], title=entry.title[:300], author=entry.author[:500],
            licence=entry.licence[:500], file=file[:500], text=text, sha256=digest,
            imported_at=now,
        )  # fmt: skip
    _withdraw(pack, told, entries, missing, now)
    held = PackRule.objects.filter(pack=pack, replaced_at=None).order_by("rule_id")
    pack.sha256 = sha256_of(list(held.values_list("rule_id", "sha256")))
    pack.source, pack.licence = str(path)[:500], licence[:500]
    pack.not_run, pack.placeholders = told.as_json()["not_run"], dict(values)
    pack.imported_at, pack.imported_by = now, actor
    pack.save()
    rulebook.changed()
    return told


def _withdraw(
    pack: RulePack, told: Imported, entries: Sequence[Entry], missing: Missing, now: dt.datetime
) -> None:
    """Take rules that the pack has no more out of force.

    One whose newer text can't be run stays as it was: its reason is listed.
    """
    unread = {(one.file, one.title) for one in told.not_run if not loading.is_put_away(one)}
    held = PackRule.objects.filter(pack=pack, replaced_at=None)
    gone = [
        row
        for row in held.exclude(rule_id__in=[entry.id for entry in entries]).order_by("file")
        if not unread & {(row.file, row.title[:200]), (row.file, "")}
    ]
    if missing is Missing.UNLESS_MANY and len(gone) >= _MANY and 2 * len(gone) > held.count():
        raise DetectionError(
            f"{len(gone)} of the {held.count()} rules of the pack {pack.name!r} are not in it any"
            " more. If it is only a part, add --missing keep, or give it a name of its own; if"
            " they are to run no more, add --missing withdraw."
        )
    put_away = {(one.file, one.title): one.reason for one in told.not_run}
    for row in gone if missing is not Missing.KEEP else ():
        row.withdrawn = put_away.get((row.file, row.title[:200]), "no longer in the pack")[:300]
        row.replaced_at = now
        row.save(update_fields=["replaced_at", "withdrawn"])
        told.withdrawn.append(Withdrawn(row.file, row.title, row.withdrawn))


def withdrawn() -> list[PackRule]:
    """Return the rules that their packs have withdrawn, the newest first; each once."""
    rows = PackRule.objects.filter(pack__removed_at=None).exclude(withdrawn="")
    rows = rows.exclude(rule_id__in=PackRule.objects.filter(replaced_at=None).values("rule_id"))
    newest: dict[str, PackRule] = {}
    for row in rows.select_related("pack").defer("text").order_by("-replaced_at", "title"):
        newest.setdefault(row.rule_id, row)
    return list(newest.values())


def _texts(files: Iterable[tuple[str, bytes]]) -> dict[tuple[str, str], str]:
    """Each rule's own text by file and title, as it was written, where it can be told apart."""
    found = {}
    for name, content in files:
        if _ACTION.search(content):
            # A rule of a collection is not whole where it stands: it is kept written out.
            continue
        try:
            told = documents(content, LARGEST_BYTES)
            parts = [part for part in _PART.split(content.decode("utf-8-sig")) if part.strip()]
        except (Broken, UnicodeDecodeError):
            continue
        if len(parts) == len(told):
            for document, part in zip(told, parts, strict=True):
                if legacy.counts(document):
                    # It is run as a rule and a correlation: each is kept as it is run.
                    continue
                found[name, str(document.get("title") or "")] = part.strip() + "\n"
    return found
