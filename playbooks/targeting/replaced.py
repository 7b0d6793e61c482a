"""What is of an organisation that its connection reads no more: it is left alone.

Another organisation may know by the same id somebody or something else, so nothing that was meant
for the one before is done, read back or undone there.
"""

from integrations.models import Connection
from playbooks.models import Step
from tenants import directory

# What of a connection is looked at.
NEEDED = ("connector", "name", "organisation_since", "removed_at")
_KINDS = ("account", "device", "mailbox")


def why_not(step: Step, row: Connection | None = None) -> str:
    """Return why a step is of what was replaced or removed; empty where it isn't.

    `row` is the step's connection, where it is at hand with what is `NEEDED`. Runs in the tenant's
    scope, with the step's plan at hand.
    """
    if row is None and step.connection_id is not None:
        row = Connection.ever.only(*NEEDED).filter(id=step.connection_id).first()
    if row is None or row.organisation_since is None:
        return ""
    if row.removed_at is not None:
        since = row.removed_at
        return (
            f"{row.name} is connected no more since {since.day} {since:%B %Y, %H:%M} UTC: do it by "
            "hand there."
        )
    is_older = step.run.plan.created_at <= row.organisation_since
    if not is_older and not _was_there_only(row, step):
        return ""
    since = row.organisation_since
    return (
        f"{row.name} has been connected to another organisation since {since.day} "
        f"{since:%B %Y, %H:%M} UTC, and this is of the one before: do it by hand there."
    )


def _was_there_only(row: Connection, step: Step) -> bool:
    """Whether what the step aims at, or whose it is, was told of by the one before only."""
    told = next(told for told in step.run.plan.document["steps"] if told["id"] == step.key)
    ids = {step.target_external_id, told["target"].get("parent_external_id", "")} - {""}
    gone = {"external_id__in": ids, "deleted_upstream_at__lte": row.organisation_since}
    return any(
        directory.rows_of(kind, row.connector).filter(**gone).exists()
        for kind in {*_KINDS, step.target_kind}
    )
