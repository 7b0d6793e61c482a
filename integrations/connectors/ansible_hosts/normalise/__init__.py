"""From hosts' reports to directory items. Pure: no database, no network.

`dispatch.normaliser` is the way in.
"""
