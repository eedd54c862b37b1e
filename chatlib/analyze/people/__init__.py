"""Who writes, what they pay, and how they speak."""
