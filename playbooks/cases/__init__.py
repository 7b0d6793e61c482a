"""What a case is made of: joining, merging and splitting alerts, risk, its needs, closing it."""
