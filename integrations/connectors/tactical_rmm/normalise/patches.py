"""Updates of Windows: what a computer was offered, what was decided, and what came of it."""

from collections.abc import Mapping

from integrations.managed.computers import Update, UpdateState, update_name
from integrations.values import Fields
from tenants.records import DirectoryItem

_DECISIONS: Mapping[str, UpdateState] = {
    "approve": "approved", "ignore": "rejected", "nothing": "undecided", "inherit": "undecided",
}  # fmt: skip


def _state(fields: Fields) -> UpdateState:
    if fields.truth("installed"):
        return "installed"
    decided = _DECISIONS.get(fields.word("action"), "undecided")
    has_failed = fields.word("result") in ("failed", "error")
    return "failed" if has_failed and decided == "approved" else decided


def update(fields: Fields) -> Update:
    """An update as actions and questions see it."""
    own_id = fields.text("id")
    return Update(
        external_id=own_id,
        name=update_name(fields.text("kb"), own_id),
        title=fields.text("title"),
        state=_state(fields),
        severity=fields.word("severity"),
        category=", ".join(fields.texts("categories")),
    )


def patch(fields: Fields, computer: str) -> DirectoryItem:
    """An update of one computer, as the directory keeps it below the computer."""
    told = update(fields)
    return DirectoryItem(
        kind="patch",
        external_id=fields.essential("id", what="update"),
        name=told.name,
        parent=computer,
        attributes={
            "title": told.title,
            "state": told.state,
            "vendor_status": fields.text("action"),
            "result": fields.text("result"),
            "severity": told.severity,
            "category": told.category,
            "installed_at": fields.time("date_installed") if told.state == "installed" else None,
        },
    )
