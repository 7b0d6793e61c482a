"""Our Sigma rules as queries of a SIEM, for the part of Sigma that it can express faithfully.

The published pySigma backends for these languages (kusto 1.0.1, opensearch 2.0.3) ask for
pySigma below 2, and our engine needs 2: so this is a small one of our own, which refuses what it
can't say exactly, with the reason.
"""
