"""What remote management can change on devices: updates, services, scripts, restarts."""

from integrations.catalog.action import CatalogAction

_QUARTER, _HOUR = 900, 3600

MANAGEMENT_ACTIONS: tuple[CatalogAction, ...] = (
    CatalogAction(
        name="patch.approve",
        title="Approve updates",
        target="device",
        owner_words="We approved security updates for {target}.",
        inputs={"patches": "list"},
        counted_input="patches",
        reversal="patch.withdraw_approval",
        d3fend="D3-SU",
        hourly_limit=25,
    ),
    CatalogAction(
        name="patch.withdraw_approval",
        title="Take the approval of updates back",
        target="device",
        owner_words="We took the approval of updates for {target} back.",
        inputs={"patches": "list"},
        counted_input="patches",
        # What was decided of each before, by its name.
        optional_inputs={"previous": "object"},
        reversal="patch.approve",
        d3fend="D3-SU",
        hourly_limit=25,
    ),
    CatalogAction(
        name="patch.install",
        title="Install updates",
        target="device",
        owner_words="We installed security updates on {target}.",
        inputs={"patches": "list"},
        counted_input="patches",
        # Whether the device may restart: never, if_needed or always.
        optional_inputs={"restart": "string"},
        no_reversal="Taking a security update away again would open the hole that it closes.",
        d3fend="D3-SU",
        hourly_limit=25,
        verify_within_seconds=6 * _HOUR,
    ),
    CatalogAction(
        name="endpoint.reboot",
        title="Restart a device",
        target="device",
        owner_words="We restarted {target}.",
        no_reversal="A restart can't be taken back; work that was not saved is lost.",
        d3fend="D3-HR",
        # A computer that goes down and comes up says for minutes that it was started long ago.
        settle_seconds=_QUARTER,
        verify_within_seconds=_HOUR,
    ),
    CatalogAction(
        name="endpoint.run_script",
        title="Run a script that was agreed",
        target="device",
        owner_words="We ran an agreed script on {target}.",
        inputs={"script": "string"},
        uncounted="what the script changes on it",
        no_reversal="What a script does is its own; a second script may undo it.",
        d3fend="D3-PH",
        verify_within_seconds=_HOUR,
    ),
    CatalogAction(
        name="endpoint.stop_service",
        title="Stop a service",
        target="device",
        owner_words="We stopped a service on {target}.",
        is_containment=True,
        inputs={"service": "string"},
        reversal="endpoint.start_service",
        d3fend="D3-PT",
    ),
    CatalogAction(
        name="endpoint.start_service",
        title="Start a service",
        target="device",
        owner_words="We started a service on {target}.",
        inputs={"service": "string"},
        reversal="endpoint.stop_service",
        d3fend="D3-RS",
    ),
)
