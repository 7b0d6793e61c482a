"""Asking a person whether it was them: whom, by which link, and what they said."""

from django.db import models

from tenants.models import Case, Contact, TenantModel


class UserQuestion(TenantModel):
    """One person asked about one case. The answer is kept as evidence as well, hashed."""

    class Answer(models.TextChoices):
        YES = "yes", "yes, it was"
        NO = "no", "no, it was not"
        NOT_SURE = "not_sure", "not sure"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="user_questions")
    contact = models.ForeignKey(
        Contact, on_delete=models.SET_NULL, null=True, related_name="+",
        help_text="empty: whoever it is about, at an address that is not in doubt",
    )  # fmt: skip
    recipient = models.EmailField()
    name = models.CharField(max_length=256)
    about = models.CharField(max_length=320, help_text="who may have done it")
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    send_error = models.TextField(blank=True)
    opened_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=16, choices=Answer, blank=True)
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ["created_at"]

    def __str__(self) -> str:
        return f"question to {self.recipient}"
