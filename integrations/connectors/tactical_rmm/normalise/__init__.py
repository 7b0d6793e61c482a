"""From Tactical RMM's records to events and directory items. Pure: no database, no network.

`dispatch.normaliser` is the way in.
"""
