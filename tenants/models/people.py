"""What joins accounts to people, what is doubtful about it, and what technicians decided."""

from typing import cast

from django.db import models

from tenants.identifiers import Identifier, Kind, Value
from tenants.models.base import TenantModel
from tenants.models.directory import Account


class AccountIdentifier(TenantModel):
    """Something by which an account is known, or once was. Never removed.

    What was ever told counts, so that the order in which feeds tell it makes no difference, and
    an address that somebody else has now is noticed.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="identifiers")
    kind = models.CharField(max_length=16, help_text="immutable_id, sid, address, login")
    value = models.CharField(max_length=320)
    is_own = models.BooleanField(help_text="was ever the account's own name, and no alias")
    is_current = models.BooleanField(default=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["kind", "value"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "account", "kind", "value"], name="identifier_once_an_account"
            )
        ]
        indexes = [models.Index(fields=["tenant", "kind", "value"], name="identifier_by_value")]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"

    @property
    def of(self) -> Value:
        """Its kind and value."""
        return cast(Kind, self.kind), self.value

    @property
    def as_told(self) -> Identifier:
        """The identifier without whose it is."""
        return Identifier(cast(Kind, self.kind), self.value, self.is_own)


class MatchDecision(TenantModel):
    """A technician's word on whether two accounts are the same person's. Holds until reverted."""

    first = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    is_same = models.BooleanField(help_text="one person, or two")
    reasons = models.JSONField(default=list, help_text="what spoke for it, as it was shown")
    comment = models.TextField(blank=True)
    decided_by = models.CharField(max_length=200)
    decided_at = models.DateTimeField()
    reverted_by = models.CharField(max_length=200, blank=True)
    reverted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-decided_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "first", "second"],
                condition=models.Q(reverted_at=None),
                name="one_decision_a_pair",
            )
        ]

    def __str__(self) -> str:
        return f"{self.first} and {self.second}: {'one person' if self.is_same else 'two people'}"


class MatchDoubt(TenantModel):
    """Two people who may be one: for a technician to join or to keep apart.

    `first` and `second` are the accounts that speak for it most.
    """

    first = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    reasons = models.JSONField(default=list)
    found_at = models.DateTimeField()

    class Meta:
        ordering = ["found_at"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "first", "second"], name="doubt_once_a_pair")
        ]

    def __str__(self) -> str:
        return f"{self.first} and {self.second}"
