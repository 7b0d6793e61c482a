"""The errors of the staff room.

HoldfastError
└── StaffError   a technician or API key that can't be made or changed as asked
"""

from tenants.errors import HoldfastError


class StaffError(HoldfastError):
    """A technician or API key can't be made or changed as asked."""
