"""What belongs together: joining alerts into cases, and cases into one."""
