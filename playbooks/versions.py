"""Which version of a playbook was used: kept for ever, by content."""

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
