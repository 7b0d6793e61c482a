"""Defender for Endpoint's API in the simulated tenant, under /api.

It is a part of the simulated Microsoft 365 because it is one of the tenant's services: the same
sign-in and app registration, and its machines are the computers that Entra and Intune know.
"""
