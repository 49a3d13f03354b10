"""What the demos share: where their data comes from, a progress bar, pictures."""
