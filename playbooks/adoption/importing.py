"""Taking playbooks in from files: checked, compared, kept for ever, activated where wanted."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from playbooks import language, library, yaml_reader
from playbooks.adoption import activation, golden
from playbooks.adoption.versions import remember
from playbooks.errors import PlaybookError
from playbooks.language import Playbook
from playbooks.models import Activation, PlaybookVersion

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Checked:
    """A playbook that may be imported, and how it differs from the newest version before it."""

    playbook: Playbook
    difference: str


def check(text: str, name: str = "playbook", kinds: Mapping[str, str] | None = None) -> Checked:
    """Return the playbook and its difference; PlaybookError lists all that speaks against it.

    The golden cases have to pass, and a version that is known can't get another content. `kinds`:
    playbooks that are imported together with it, by id.
    """
    playbook = language.load_checked(text, name)
    document = yaml_reader.parse(text, name)
    wrong = dangling(playbook, text, name, kinds)
    wrong += [
        f"{document.at('tests', i)}: golden case {outcome.name!r}: {outcome.difference}"
        for i, outcome in enumerate(golden.run(playbook))
        if outcome.difference
    ]
    before = known_versions(playbook.id)
    for sha256, version, _ in before:
        if version == str(playbook.version) and sha256 != playbook.source_sha256:
            wrong.append(
                f"{document.at('version')}: {playbook.id} version {version} is known with another"
                f" content (sha256 {sha256[:12]}): give it a new version."
            )
    if wrong:
        raise PlaybookError(wrong)
    return Checked(playbook, _difference(before[0] if before else None, playbook))


def dangling(
    playbook: Playbook, text: str, name: str, kinds: Mapping[str, str] | None = None
) -> list[str]:
    """Return what `responses` names that is no response, each with its place in `text`.

    `kinds`: playbooks that are about to be known as well, by id.
    """
    known = {one.id: one.kind for one in library.playbooks().values()} | dict(kinds or {})
    named = {one for ids in playbook.responses.values() for one in ids}
    if named - known.keys():
        rows = PlaybookVersion.objects.filter(playbook_id__in=named - known.keys())
        known |= dict(rows.values_list("playbook_id", "kind"))
    if all(known.get(one) == "response" for one in named):
        return []
    document = yaml_reader.parse(text, name)
    return [
        f"{document.at('responses', verdict, i)}: {_no_response(one, known)}"
        for verdict, ids in playbook.responses.items()
        for i, one in enumerate(ids)
        if known.get(one) != "response"
    ]


def _no_response(playbook_id: str, known: Mapping[str, str]) -> str:
    if playbook_id in known:
        return f"{playbook_id!r} is of kind {known[playbook_id]}: name a response"
    return f"{playbook_id!r} is no playbook here: import it first, or correct the name"


def newest(playbook_id: str) -> Playbook:
    """Return the playbook that comes with Holdfast, or else the newest that was imported.

    PlaybookError lists those that come with Holdfast.
    """
    if playbook_id not in library.playbooks() and _is_prepared():
        known = known_versions(playbook_id)
        if known:
            return language.load(known[0][2], playbook_id)
    return library.get(playbook_id)


def newest_of_each() -> list[Playbook]:
    """Return every playbook that comes with Holdfast or was imported, by id."""
    ids: set[str] = set()
    if _is_prepared():
        imported = PlaybookVersion.objects.exclude(playbook_id__in=library.playbooks())
        ids.update(imported.values_list("playbook_id", flat=True))
    return [newest(playbook_id) for playbook_id in sorted(ids | library.playbooks().keys())]


def _is_prepared() -> bool:
    """Whether there is a database to import into: looking at the library needs none."""
    return PlaybookVersion._meta.db_table in connection.introspection.table_names()


def known_versions(playbook_id: str) -> list[tuple[str, str, str]]:
    """Return (sha256, version, source) of every version there is, newest first."""
    rows = PlaybookVersion.objects.filter(playbook_id=playbook_id).order_by("-first_used_at")
    found = [(row.sha256, row.version, row.source) for row in rows]
    ours = library.playbooks().get(playbook_id)
    if ours is not None and ours.source_sha256 not in [sha256 for sha256, _, _ in found]:
        # What comes with this release and was never used yet.
        found.append((ours.source_sha256, str(ours.version), ours.source))
    return found


def find_version(playbook_id: str, version: str) -> PlaybookVersion:
    """Return the row of a version, by its number or the beginning of its hash; PlaybookError."""
    known = known_versions(playbook_id)
    chosen = [
        (sha256, source)
        for sha256, number, source in known
        if number == version or (len(version) >= 8 and sha256.startswith(version))
    ]
    if not chosen:
        numbers = ", ".join(number for _, number, _ in known) or "none"
        raise PlaybookError([f"{playbook_id} has no version {version!r}. Versions: {numbers}."])
    sha256, source = chosen[0]
    row = PlaybookVersion.objects.filter(sha256=sha256).first()
    return row or remember(language.load(source, playbook_id))


def keep(checked: Checked) -> PlaybookVersion:
    """Keep a checked playbook; it is used where it is activated."""
    return remember(checked.playbook)


def export_activations() -> dict[str, Any]:
    """Return the scope's activations as a document that can be applied to other tenants."""
    rows = sorted(activation.newest().items())
    return {
        "format": FORMAT,
        "activations": [
            {
                "playbook": playbook_id,
                "version": row.version.version,
                "sha256": row.version.sha256,
                "mode": row.mode,
                "source": row.version.source,
            }
            for playbook_id, row in rows
        ],
    }


def apply_activations(
    document: Mapping[str, Any], *, actor: str, reason: str = "taken from a document"
) -> list[Activation]:
    """Let another tenant's activations hold for the scope's tenant.

    Each playbook is checked as at an import. PlaybookError where the document is none of ours.
    """
    told = document.get("activations") if isinstance(document, Mapping) else None
    if not isinstance(told, list) or document.get("format") != FORMAT:
        raise PlaybookError([f"This is no document of activations with format {FORMAT}."])
    if not all(isinstance(one, Mapping) and isinstance(one.get("source"), str) for one in told):
        raise PlaybookError(["An activation has no source of its playbook."])
    sources = [(one, str(one.get("playbook", "playbook"))) for one in told]
    kinds = {}
    for one, name in sources:
        playbook = language.load_checked(one["source"], name)
        if playbook.source_sha256 != one.get("sha256"):
            raise PlaybookError([f"{playbook.id}: the source is not what its hash says."])
        kinds[playbook.id] = playbook.kind
    made = []
    for one, name in sources:
        version = keep(check(one["source"], name, kinds))
        made.append(activation.activate(version, str(one.get("mode")), actor=actor, reason=reason))
    return made


def _difference(before: tuple[str, str, str] | None, playbook: Playbook) -> str:
    if before is None:
        return ""
    _, version, source = before
    lines = difflib.unified_diff(
        source.splitlines(),
        playbook.source.splitlines(),
        f"{playbook.id} {version}",
        f"{playbook.id} {playbook.version}",
        lineterm="",
    )
    return "\n".join(lines)
