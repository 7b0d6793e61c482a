"""What a worker process imports: ``python -m dramatiq msp.worker``."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings")
django.setup()

from msp.pipeline import broker  # noqa: E402

__all__ = ["broker"]
