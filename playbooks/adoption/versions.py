"""Which version of a playbook was used: kept for ever, by content."""

from functools import lru_cache

from playbooks import language
from playbooks.errors import PlaybookError
from playbooks.language import Playbook
from playbooks.models import PlaybookVersion


def remember(playbook: Playbook) -> PlaybookVersion:
    """Return the row of exactly this playbook, keeping its source the first time it is used."""
    version, _ = PlaybookVersion.objects.get_or_create(
        sha256=playbook.source_sha256,
        defaults={
            "playbook_id": playbook.id,
            "version": str(playbook.version),
            "kind": playbook.kind,
            "source": playbook.source,
        },
    )
    return version


def playbook_of(version: PlaybookVersion) -> Playbook:
    """Return the playbook that a kept version is.

    PlaybookError where it can't be read any more, or is no longer what its hash says.
    """
    return _read_once(version.sha256, version.source, str(version))


@lru_cache(maxsize=256)
def _read_once(sha256: str, source: str, name: str) -> Playbook:
    playbook = language.load(source, name)
    if playbook.source_sha256 != sha256:
        raise PlaybookError(
            [f"{name} was changed in the database after it was kept: find out who did."]
        )
    return playbook
