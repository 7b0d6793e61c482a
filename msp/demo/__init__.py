"""The demo: the product itself, connected to simulated vendors instead of real ones."""
