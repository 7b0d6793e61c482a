"""What protects an installation and is switched off in this one, in words."""

from collections.abc import Sequence

from django.conf import settings

from msp.appliance import demo_settings


def by_demo() -> str:
    """Say that the demo's settings hold here, and what ends that; empty where they don't."""
    told = [
        words
        for name, words in (
            ("HOLDFAST_REQUIRE_MFA", "decisions need no second sign-in factor"),
            ("HOLDFAST_ALLOW_PRIVATE_ENDPOINTS", "connections may lead into private networks"),
        )
        if name in settings.DEMO_SETTINGS
    ]
    if not told:
        return ""
    return (
        f"The settings of the demo are on: {', and '.join(told)}. Connect no real client here: "
        f"run “make clean” first, or remove {demo_settings.path_in(settings.VAR_DIR)} and start "
        "Holdfast again."
    )


def by_environment() -> Sequence[str]:
    """Say what whoever runs this installation has switched off."""
    told = []
    if not settings.REQUIRE_MFA and "HOLDFAST_REQUIRE_MFA" not in settings.DEMO_SETTINGS:
        told.append(
            "Decisions need no second sign-in factor here, because HOLDFAST_REQUIRE_MFA is 0: "
            "unset it, and start Holdfast again."
        )
    return told


def all_of_it() -> list[str]:
    """Return every sentence; empty where nothing is switched off."""
    return [sentence for sentence in (by_demo(), *by_environment()) if sentence]
