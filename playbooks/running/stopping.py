"""What stops when a connection is removed, for whoever is about to do it."""

from dataclasses import dataclass

from django.db.models import QuerySet

from integrations import catalog, registry
from integrations.connections import feeds_of
from integrations.models import Connection
from playbooks import availability
from playbooks.models import Plan, Step
from playbooks.plans.steps import NOT_BEGUN, UNDER_WAY
from playbooks.running import undo_choices
from tenants import directory

_KINDS = {"account": "accounts", "device": "computers and phones", "mailbox": "mailboxes"}


@dataclass(frozen=True, slots=True)
class Stops:
    """What a client loses with a connection.

    `feeds` are read no more; `actions` nothing else connected can do; `plans` are withdrawn;
    `done` are steps that can't be undone from here any more; `known` counts what is marked as gone
    in the directory, by its plural.
    """

    feeds: list[str]
    actions: list[str]
    plans: list[Plan]
    done: list[Step]
    known: dict[str, int]


def of(connection: Connection) -> Stops:
    """Return what stops without a connection of the scope's tenant; nothing is changed."""
    manifest = registry.connector(connection.connector)
    is_last = Connection.in_scope().filter(connector=connection.connector).count() == 1
    others = availability.connections_of_scope() - ({connection.connector} if is_last else set())
    actions = [
        catalog.get(action.name).title
        for action in manifest.actions
        if not any(registry.offers(other, action.name) for other in others)
    ]
    return Stops(
        feeds=[
            feed.title
            for feed in feeds_of(manifest, connection.settings)
            if feed.fetch is not None or feed.is_pushed
        ],
        actions=actions,
        plans=list(_open_plans(connection)),
        done=_done(connection),
        known=_known(connection) if is_last else {},
    )


def _open_plans(connection: Connection) -> QuerySet[Plan]:
    steps = Step.in_scope().filter(connection_id=connection.id, status__in=(*NOT_BEGUN, *UNDER_WAY))
    rows = Plan.in_scope().filter(id__in=steps.values("run__plan")).select_related("case")
    return rows.order_by("created_at")


def _done(connection: Connection) -> list[Step]:
    """Return what was done through it and still stands, newest first."""
    steps = Step.in_scope().filter(connection_id=connection.id).exclude(called_at=None)
    found = steps.select_related("run__plan").order_by("-called_at")
    return [step for step in found if undo_choices.can_be_undone(step)]


def _known(connection: Connection) -> dict[str, int]:
    counted = {
        word: directory.rows_of(kind, connection.connector).filter(deleted_upstream_at=None).count()
        for kind, word in _KINDS.items()
    }
    return {word: number for word, number in counted.items() if number}
