"""What the cmdlets of Exchange's admin endpoint share."""

from __future__ import annotations

from collections.abc import Callable, Collection

from integrations.simulators.base.http import Refusal
from integrations.simulators.base.store import Record

from .graph import Request

Cmdlet = Callable[[Request, Record], list[Record]]
_COMMON = frozenset({"Identity", "Confirm", "ErrorAction", "ResultSize"})


class ExchangeError(Refusal):
    """A cmdlet that failed, in the shape of the admin endpoint."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, message)
        self.code = code
        self.message = message

    def body(self) -> Record:
        """The answer's JSON."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "details": [{"code": "Context", "target": "", "message": self.message}],
                "innererror": {"message": self.message, "type": self.code},
            }
        }


def mailbox_owner(request: Request, parameters: Record, *, for_writing: bool = False) -> Record:
    """The user whose mailbox the parameters name."""
    name = str(parameters.get("Identity") or parameters.get("Mailbox") or "")
    tenant = request.tenant
    for user in tenant.true_all("users") if for_writing else tenant.all("users"):
        names = {str(user.get(key)).casefold() for key in ("id", "userPrincipalName", "mail")}
        if name.casefold() in names and tenant.true("mailboxes", user["id"]):
            return user
    raise ExchangeError(
        404,
        "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException",
        f"Ex6F9304|The operation couldn't be performed because object '{name}' couldn't be found.",
    )


def only(parameters: Record, allowed: Collection[str]) -> None:
    """Refuse a parameter that the cmdlet hasn't got."""
    unknown = set(parameters) - set(allowed) - _COMMON
    if unknown:
        raise ExchangeError(
            400,
            "ParameterBindingException",
            f"A parameter cannot be found that matches parameter name '{min(unknown)}'.",
        )
