"""Errors of licensing."""

from tenants.errors import HoldfastError


class WrongPeriod(HoldfastError):
    """A period that is no month."""
