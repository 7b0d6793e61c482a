"""What can go wrong in the appliance.

ApplianceError
├── EmbeddedDatabaseError   the embedded PostgreSQL cannot be made, started or reached
├── AlreadyRunning          another process of this installation holds the place
├── DemoSettingsUnusable    the demo's settings in the state directory can't be trusted
└── ProcessFailed           a supervised process did not become ready
"""

from __future__ import annotations


class ApplianceError(Exception):
    """Base of all; the message says what to do next."""


class EmbeddedDatabaseError(ApplianceError):
    """The embedded PostgreSQL cannot be made, started or reached."""


class AlreadyRunning(ApplianceError):
    """Another process of this installation holds the place."""


class DemoSettingsUnusable(ApplianceError):
    """The demo's settings in the state directory can't be trusted."""


class ProcessFailed(ApplianceError):
    """A supervised process did not become ready."""
