"""Which object an action is about: always by GUID or SID."""

from integrations.connectors.active_directory import ids
from integrations.contract import Target
from integrations.errors import Rejected


def named(target: Target) -> str:
    """Return how a request names the target; Rejected where it has only a name."""
    return _named(target.external_id, target)


def account_and_group(target: Target) -> tuple[str, str]:
    """Return how a request names the account and the group of a membership.

    Its id is ``account/group``; a bare group needs `parent_external_id`.
    """
    account, separator, group = target.external_id.partition("/")
    if not separator:
        account, group = target.parent_external_id, target.external_id
    return _named(account, target), _named(group, target)


def _named(identity: str, target: Target) -> str:
    name = ids.name_of(identity)
    if not name:
        raise Rejected(
            f"The target {target.name or identity!r} is not named by its objectGUID or objectSid: "
            "read the directory again, and start the step anew."
        )
    return name
