"""Threads that run one compiled loop together: how many, their barrier, their pace, aligned memory."""
