"""Google's ids of something that belongs to an account."""

from integrations.contract import Target
from integrations.errors import Rejected


def owner_and_id(target: Target) -> tuple[str, str]:
    """Return the account's id and the thing's own id.

    In the directory the ids of filters, tokens, delegates and messages are ``account/id``, because
    Google's are unique only within an account; a bare id needs `parent_external_id`.
    """
    owner, own = target.parent_external_id, target.external_id
    if owner and own.startswith(f"{owner}/"):
        return owner, own[len(owner) + 1 :]
    before, separator, after = own.partition("/")
    if separator:
        return before, after
    if owner:
        return owner, own
    raise Rejected(f"The target {target.name or own!r} doesn't say which account it belongs to.")
