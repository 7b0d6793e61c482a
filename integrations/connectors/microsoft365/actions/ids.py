"""The vendor's id of something that belongs to an account."""

from integrations.contract import Target
from integrations.errors import Rejected


def owner_and_id(target: Target) -> tuple[str, str]:
    """Return the account's id and the thing's own id.

    In the directory the ids of inbox rules and methods are ``account/id``, because Microsoft's
    are unique only within a mailbox or a user; a bare id needs `parent_external_id`.
    """
    owner, own = target.parent_external_id, target.external_id
    if owner and own.startswith(f"{owner}/"):
        return owner, own[len(owner) + 1 :]
    if owner:
        return owner, own
    owner, separator, own = own.partition("/")
    if not separator:
        raise Rejected(
            f"The target {target.name or own!r} doesn't say which account it belongs to."
        )
    return owner, own
