"""What a mail server tells of the user's rights (RFC 4314)."""

from integrations.connectors.imap.client import MailClient
from integrations.connectors.imap.permissions import CREATE, MOVE, READ
from integrations.contract import Standing

_LETTERS = {name: frozenset(name.partition(" ")[0]) for name in (READ, MOVE, CREATE)}
# Each is asked for its inbox: the first few show whether the rights were given.
_MOST = 20


def standing(client: MailClient) -> Standing:
    """Return which rights the user has on every inbox; what it has besides is not judged.

    A mailbox's own user may do everything.
    """
    common: frozenset[str] | None = None
    for mailbox in client.mailboxes[:_MOST]:
        own = client.read(mailbox, lambda line: line.rights("INBOX"))
        if own is None:
            return Standing()
        common = own if common is None else common & own
    letters = common or frozenset()
    return Standing(frozenset(name for name, of in _LETTERS.items() if of <= letters))
