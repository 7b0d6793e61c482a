"""The errors of the tenants room.

HoldfastError
├── ScopeError           no tenant scope, or the wrong one
├── TenantNotFound       no tenant of that slug
├── Quarantine           a record that can't be normalised: kept and shown, with a reason
├── IntakeError          a whole file or body that can't be read
├── VaultError           a secret that can't be opened
├── ContactError         a contact that can't be kept as it was entered
├── MatchError           two people who can't be joined or kept apart as was asked
├── VipError             an important person who can't be named as it was asked
├── CriticalityError     how critical somebody or something is can't be kept as it was asked
└── ProtectionError      an account that can't be protected as it was asked
"""


class HoldfastError(Exception):
    """Base of every expected error; its message says what to do next."""


class ScopeError(HoldfastError):
    """Tenant data was touched outside a tenant scope, or in another tenant's."""


class TenantNotFound(HoldfastError):
    """No tenant has that slug."""


class IntakeError(HoldfastError):
    """A file or request body could not be read at all."""


class VaultError(HoldfastError):
    """A secret is missing or can't be decrypted."""


class ContactError(HoldfastError):
    """A contact can't be kept as it was entered; the message says what to change."""


class VipError(HoldfastError):
    """An important person can't be named as asked; the message says what to do."""


class CriticalityError(HoldfastError):
    """How critical a person or device is can't be kept as it was asked."""


class ProtectionError(HoldfastError):
    """An account or device can't be protected as it was asked; the message says what to do."""


class MatchError(HoldfastError):
    """A doubtful match can't be decided as was asked; the message says why."""


class Quarantine(HoldfastError):
    """A record that no normaliser can read; it is kept raw and shown to a technician.

    `code` is a short stable word to count by (``missing_field``, ``not_an_alert`` …);
    `reason` is a sentence a technician can act on.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
