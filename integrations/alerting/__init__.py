"""Detections at work: which rules run for which client, what they found, and what to mend.

`rulebook` knows the rules, `stages` how far each may go, `watching` runs them on the events that
intake stores, `finding` makes findings of matches, `sighting` counts for correlations.

Rules run on telemetry. A record that is a vendor's alert is a finding already: no rule is run on
it, so that nothing is told twice.
"""
