"""A channel on YouTube: its streams listed, described, fetched and stored."""
