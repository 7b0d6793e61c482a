"""Updates of a device's system: what it lacks, and what was installed."""

from collections.abc import Mapping

from integrations.managed.computers import Update, UpdateState, update_name
from integrations.values import Fields
from tenants.records import DirectoryItem

# NinjaOne's words for what was decided of an update, or came of it.
_STATES: Mapping[str, UpdateState] = {
    "manual": "undecided", "pending": "undecided", "approved": "approved", "rejected": "rejected",
    "failed": "failed", "installed": "installed",
}  # fmt: skip


def update(fields: Fields) -> Update:
    """An update as actions and questions see it; a state that isn't known counts as undecided."""
    own_id = fields.text("id")
    return Update(
        external_id=own_id,
        name=update_name(fields.text("kbNumber"), own_id),
        title=fields.text("name"),
        state=_STATES.get(fields.word("status"), "undecided"),
        severity=fields.word("severity"),
        category=fields.word("type"),
    )


def patch(fields: Fields) -> DirectoryItem:
    """An update of one device, as the directory keeps it below the device."""
    told = update(fields)
    own_id = fields.essential("id", what="update")
    device = fields.essential("deviceId", what="update")
    return DirectoryItem(
        kind="patch",
        external_id=f"{device}:{own_id}",
        name=told.name,
        parent=device,
        attributes={
            "title": told.title,
            "state": told.state,
            "vendor_status": fields.text("status"),
            "severity": told.severity,
            "category": told.category,
            "installed_at": fields.time("installedAt") if told.state == "installed" else None,
            "tried_at": fields.time("installedAt"),
            "seen_at": fields.time("timestamp"),
        },
    )
