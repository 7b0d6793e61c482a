"""The errors of the reports room.

HoldfastError
└── ReportError   a report that can't be made as asked
"""

from tenants.errors import HoldfastError


class ReportError(HoldfastError):
    """A report can't be made as asked."""
