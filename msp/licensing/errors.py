"""The errors of the licensing room.

HoldfastError
└── LicensingError
    ├── PeriodError    a period that is no month
    └── DayError       a day whose seats can't be counted yet
"""

from tenants.errors import HoldfastError


class LicensingError(HoldfastError):
    """Seats or usage can't be had as asked."""


class PeriodError(LicensingError):
    """The period is not a month such as 2026-11."""


class DayError(LicensingError):
    """The day has not begun at the client."""
