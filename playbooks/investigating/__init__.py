"""Evidence and verdict: what is asked of whom, the facts that come of it, what they mean."""
