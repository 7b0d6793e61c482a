"""From NinjaOne's records to findings, events and directory items. Pure: no database, no network.

`dispatch.normaliser` is the way in.
"""
