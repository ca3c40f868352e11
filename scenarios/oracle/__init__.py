"""The slow, obvious twin of the pipelines: plain Python, no code shared with the binary."""
