"""Carrying out steps: order, each step's life, reading back, what nobody knows the end of."""
