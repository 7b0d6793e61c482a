"""The errors of the console room.

HoldfastError
└── ConsoleError   what a technician asked for can't be done; the message says what to do instead
"""

from tenants.errors import HoldfastError


class ConsoleError(HoldfastError):
    """What a technician asked for can't be done."""
