"""From what sources send to events and findings: OCSF, CEF, syslog, and JSON by a mapping.

Pure: no database, no network.
"""
