"""Who owns a net's parameters, and what changes them."""
