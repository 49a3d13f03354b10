"""Plans: graphs prepared to run as fast as they can."""

from .plan import Bytes, Plan

__all__ = ["Bytes", "Plan"]
