"""The one row that the bare view of `bench doors` inserts."""

from typing import ClassVar

from django.db import models


class Row(models.Model):
    """What was posted, and when."""

    body = models.JSONField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "bench"
        db_table = "bench_row"

    objects: ClassVar[models.Manager]

    def __str__(self) -> str:
        return str(self.pk)
