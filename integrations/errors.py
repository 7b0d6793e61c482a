"""The errors of the integrations room. Nobody branches on message text.

VendorError                    a call to a vendor did not do what it should
├── Throttled                  the vendor asks to wait; nothing was done
├── Unauthorised               credentials refused: the connection needs a person
├── PermissionMissing          the credentials lack a permission; names it
├── NotFound                   the target does not exist at the vendor
├── Rejected                   the vendor refused the request as it stands; a retry won't help
├── AnswerTooLarge             an answer is larger than is taken; a retry won't help
├── Unavailable                the vendor failed or could not be reached; nothing was done
└── OutcomeUnknown             no answer after sending: it may or may not have been done
ConnectionMisconfigured        a connection's settings can't work; says which and how
└── OwnAddressUnknown          this installation does not know how it is reached
DeliveryRefused                what was sent to us is not taken; says why
AlarmError                     an alarm can't be accepted as asked
RemovalError                   a connection can't be removed as asked
DetectionError                 rules can't be changed or imported as asked; says why
NoticeRefused                  a notice is nothing that was asked for
StillUnreadable                a record of the quarantine can't be taken in yet; says why
UnknownConnector, UnknownFeed, UnknownAction
"""

from tenants.errors import HoldfastError


class VendorError(HoldfastError):
    """A call to a vendor did not do what it should. Carries no secret and no body."""


class Throttled(VendorError):
    """The vendor asks to wait `retry_after` seconds; nothing was done."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unauthorised(VendorError):
    """The vendor refused the credentials."""


class PermissionMissing(VendorError):
    """The credentials lack a permission that the manifest asks for."""


class NotFound(VendorError):
    """The target does not exist at the vendor."""


class Rejected(VendorError):
    """The vendor refused the request as it stands; a retry won't help."""


class AnswerTooLarge(VendorError):
    """A read's answer is larger than is taken into memory; a retry would bring the same."""


class Unavailable(VendorError):
    """The vendor failed or could not be reached, and nothing was done: a retry is safe."""


class OutcomeUnknown(VendorError):
    """The request was sent and no answer came: it is settled by reading back, never by a retry."""


class StillUnreadable(HoldfastError):
    """A record of the quarantine can't be taken in yet; the message says why."""


class ConnectionMisconfigured(HoldfastError):
    """A connection's settings can't work."""


class OwnAddressUnknown(ConnectionMisconfigured):
    """This installation does not know how it is reached from outside, so that is not tried."""


class OrganisationTaken(ConnectionMisconfigured):
    """Another client is connected to the organisation, or reads it; the message says what to do."""


class OrganisationChanged(ConnectionMisconfigured):
    """The settings name another organisation than before, and nobody said that they should."""


class NoticeRefused(HoldfastError):
    """A notice, or a trial of the address for notices, is nothing that was asked for."""


class DeliveryRefused(HoldfastError):
    """What was sent to us is not taken. `code` is ``unsigned``, ``stale`` or ``paused``."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class AlarmError(HoldfastError):
    """An alarm can't be accepted as asked; the message says why."""


class SiemError(HoldfastError):
    """A gap of a SIEM can't be accepted as asked; the message says why."""


class RemovalError(HoldfastError):
    """A connection can't be removed as asked; the message says why."""


class UnknownConnector(HoldfastError):
    """No connector has that id."""


class UnknownFeed(HoldfastError):
    """The connector has no feed of that name."""


class UnknownAction(HoldfastError):
    """The catalog, or this connector, has no action of that name."""


class DetectionError(HoldfastError):
    """Rules can't be changed, imported or tried as asked; the message says why."""
