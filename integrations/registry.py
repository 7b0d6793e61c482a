"""The explicit list of connectors, frozen at start."""


