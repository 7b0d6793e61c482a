"""Wazuh's records as events, findings and directory items.

Pure: no database, no network, no clock.
"""
