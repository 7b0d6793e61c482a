"""The console's pages: thin, over selectors and actions."""
