"""Plans: graphs prepared to run as fast as possible."""

from .plan import Bytes, Plan

__all__ = ["Bytes", "Plan"]
