"""Chat activity over a stream: ChatAnalytics JSON, highlights, spikes, audience."""
