"""What is licensed: seats."""

from django.db import models

from tenants.models import Person, TenantModel


class Seat(TenantModel):
    """One protected person on one day, however many accounts the person has."""

    day = models.DateField()
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    basis = models.JSONField(help_text="the accounts that made the person count, that day")
    counted_at = models.DateTimeField()

    class Meta:
        ordering = ["day"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "day", "person"], name="seat_once_a_day")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.person_id}"


class SeatCount(TenantModel):
    """That the seats of a day were counted, and how many accounts did not count and why."""

    day = models.DateField()
    seats = models.PositiveIntegerField()
    not_counted = models.JSONField(default=dict, help_text="reason → number of accounts")
    counted_at = models.DateTimeField()

    class Meta:
        ordering = ["day"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "day"], name="seat_count_once_a_day")
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.seats}"
