"""Known-good patterns: what technicians said is expected, and how that does in practice."""
