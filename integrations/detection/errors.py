"""The errors of detection.

RulesUnreadable   rules can't be read from where they should be; says why
Unsupported       a rule can't be run; says why. Loading lists it.
Broken            a document is no whole rule; says why. Loading lists it.
"""

from tenants.errors import HoldfastError


class RulesUnreadable(HoldfastError):
    """Nothing can be read at a place where rules should be."""


class Unsupported(HoldfastError):
    """A rule is whole but can't be run here."""


class Broken(HoldfastError):
    """A document is not a whole rule."""
