"""Plans: graphs prepared to run as fast as possible."""

from .kept import KeptPlan
from .own_code import WantedGradients
from .plan import Bytes, Plan

__all__ = ["Bytes", "KeptPlan", "Plan", "WantedGradients"]
