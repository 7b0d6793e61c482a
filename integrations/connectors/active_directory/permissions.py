"""The rights that the service account needs, by the names that Windows' own tools show."""

from typing import Final

READ: Final = "Read all properties"
READ_DELETED: Final = "Read deleted objects"
WRITE_CONTROL: Final = "Write userAccountControl"
RESET_PASSWORD: Final = "Reset password"  # noqa: S105
WRITE_PASSWORD_SET: Final = "Write pwdLastSet"  # noqa: S105
WRITE_EXPIRY: Final = "Write accountExpires"
WRITE_MEMBERS: Final = "Write Members"
MOVE: Final = "Move User objects"
