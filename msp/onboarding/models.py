"""How far a client is brought in, and the consents that were asked for."""

from django.db import models

from tenants.models import TenantModel


class Onboarding(TenantModel):
    """One client on its way in. How far it is, is read from what is really there."""

    class Rules(models.TextChoices):
        MSP = "msp", "the MSP's rules of engagement"
        OWN = "own", "rules of its own"

    connectors = models.JSONField(default=list, help_text="ids of the connectors that were chosen")
    rules = models.CharField(max_length=8, choices=Rules, blank=True)
    relationship = models.JSONField(
        default=dict, help_text="the GDAP relationship with this client, as it was last looked up"
    )
    started_by = models.CharField(max_length=200)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_by = models.CharField(max_length=200, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="onboarding_once")]

    def __str__(self) -> str:
        return f"onboarding {self.tenant_id}"


class ConsentRequest(TenantModel):
    """A client's administrator is asked to consent to the MSP's application at Microsoft.

    The address that they get carries a signed state; its secret part is kept as a hash only, and
    it counts once.
    """

    class State(models.TextChoices):
        ASKED = "asked", "waits for the administrator"
        RETURNED = "returned", "being tried"
        CONNECTED = "connected"
        REFUSED = "refused"

    expected = models.CharField(
        max_length=253, help_text="the client's tenant ID, or one of its domains"
    )
    nonce_sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=16, choices=State, default=State.ASKED)
    words = models.TextField(blank=True, help_text="why it was refused, with what to do")
    entra_tenant_id = models.CharField(max_length=36, blank=True, help_text="as Microsoft told it")
    asked_by = models.CharField(max_length=200)
    asked_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-asked_at"]

    def __str__(self) -> str:
        return f"consent of {self.expected}"
