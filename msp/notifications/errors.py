"""The errors of the notifications room."""

from tenants.errors import HoldfastError


class MailNotSent(HoldfastError):
    """The mail server could not be reached or put the mail off: it is tried again."""


class MessageNotSent(HoldfastError):
    """The chat could not be reached or put the message off: it is tried again."""
