"""The product's worker, with five feeds that are due once a minute.

Started as ``python -m dramatiq bench.polling_worker``. With BENCH_PROFILE=1 it leaves a profile
of each of its threads' work in `var/…/profile`, for ``python -m pstats``.
"""

from msp.worker import broker

# isort: split
# What follows imports models, for which that one has set up Django.
import cProfile
import os
from dataclasses import replace
from types import MappingProxyType

from django.conf import settings
from dramatiq import Broker, Message, Middleware

from integrations import registry

FEEDS = ("alerts", "sign_ins", "risk_detections", "directory_audit", "users")
EVERY = 60


def _once_a_minute() -> None:
    manifests = dict(registry.CONNECTORS)
    usual = manifests["microsoft365"]
    manifests["microsoft365"] = replace(
        usual,
        feeds=tuple(
            replace(feed, interval_seconds=EVERY) if feed.name in FEEDS else feed
            for feed in usual.feeds
        ),
    )
    vars(registry)["CONNECTORS"] = MappingProxyType(manifests)


class _Profiled(Middleware):
    """Profiles each message that reads feeds, and keeps the last."""

    def before_process_message(self, broker: Broker, message: Message) -> None:
        if message.actor_name == "poll":
            message.options["profile"] = profile = cProfile.Profile()
            profile.enable()

    def after_process_message(
        self, broker: Broker, message: Message, *, result: object = None, exception: object = None
    ) -> None:
        profile = message.options.pop("profile", None)
        if profile is not None:
            profile.disable()
            folder = settings.VAR_DIR / "profile"
            folder.mkdir(exist_ok=True)
            profile.dump_stats(folder / f"{message.message_id}.pstats")


_once_a_minute()
if os.environ.get("BENCH_PROFILE"):
    broker.add_middleware(_Profiled())

__all__ = ["broker"]
