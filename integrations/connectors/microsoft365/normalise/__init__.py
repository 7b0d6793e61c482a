"""Microsoft's records, whatever shape they come in, as events, findings and directory items.

Pure: no database, no network, no clock.
"""
