"""The processes of one training: those that take part, and what they send each other."""
