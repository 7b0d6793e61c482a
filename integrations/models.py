"""A tenant's connections to vendors, and how far each feed has been read."""

from django.db import models

from tenants.models import Secret, TenantModel


class Connection(TenantModel):
    """A tenant's configured link to one vendor."""

    class State(models.TextChoices):
        ACTIVE = "active"
        PAUSED = "paused"
        BROKEN = "broken", "needs attention"

    connector = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    settings = models.JSONField(default=dict)
    secret = models.ForeignKey(Secret, on_delete=models.PROTECT, null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    error = models.TextField(blank=True, help_text="in plain words, with the fix")
    last_healthy_at = models.DateTimeField(
        null=True, blank=True, help_text="when a canary last read through the whole path"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "connector", "name"], name="connection_name_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class FeedState(TenantModel):
    """The durable cursor of one feed of one connection, and its health."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="feeds")
    feed = models.CharField(max_length=64)
    cursor = models.JSONField(default=dict)
    records = models.PositiveBigIntegerField(default=0)
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["feed"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "connection", "feed"], name="feed_once")
        ]

    def __str__(self) -> str:
        return self.feed


class Subscription(TenantModel):
    """That a vendor was asked to say when a feed has something new.

    Of the secret that it shows only the digest is kept; it can't be shown by anybody else.
    """

    feed = models.OneToOneField(FeedState, on_delete=models.CASCADE, related_name="subscription")
    external_id = models.CharField(max_length=256, blank=True, help_text="the vendor's id of it")
    secret_digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField()
    heard_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.external_id


class Delivery(TenantModel):
    """The id of a delivery that was taken, kept for as long as it may come again."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    delivery_id = models.CharField(max_length=256)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "connection", "delivery_id"], name="delivery_once"
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "connection", "received_at"], name="delivery_by_time")
        ]

    def __str__(self) -> str:
        return self.delivery_id
