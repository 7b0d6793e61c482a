"""Intune in the simulated tenant: further routes of the same Graph, as at the real vendor."""
