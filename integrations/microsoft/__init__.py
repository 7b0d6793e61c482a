"""What the connectors to Microsoft's services share: the app's tokens, OData, whom an alert names.

Each connector has its own folder under `integrations/connectors`; none imports another.
"""
