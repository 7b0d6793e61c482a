"""What every question to Holdfast's own rows needs: whom it is about, and how far back."""

from integrations.contract import Json
from tenants.errors import HoldfastError
from tenants.models import Account, Case


class NotTold(HoldfastError):
    """There is no answer; the message says why, in words that a technician reads."""


def person_of(case: Case) -> list[Account]:
    """Return the accounts of the person that the case is about; NotTold where it is nobody's."""
    account = case.account
    if account is None:
        raise NotTold("the directory does not know whom the case is about")
    if account.person_id is None:
        return [account]
    return list(Account.in_scope().filter(person=account.person_id).order_by("provider", "id"))


def days(inputs: Json, usual: int, *, most: int) -> int:
    """Return how many days back are asked for, from 1 to `most`."""
    told = inputs.get("days", usual)
    return max(1, min(most, told if isinstance(told, int) else usual))
