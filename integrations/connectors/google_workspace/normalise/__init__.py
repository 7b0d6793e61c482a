"""From Google's records to events, findings and directory items. Pure: no database, no network.

`dispatch.normaliser` is the way in.
"""
