"""Auditing a client's SIEM, read-only: what arrives, which rules watch, what they would miss.

`records` are what a SIEM told, `audit` judges it (both pure), `queries` turns our Sigma rules into
the SIEM's language, `comparing` sets hits there beside hits here, `auditing` does and keeps it.
"""
