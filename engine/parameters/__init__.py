"""The owner of a net's parameters, their update, and random numbers."""
