"""The reference: graphs run layer by layer by plain code, against which the fast executors are verified."""

from .gradients import gradients_of
from .interpreter import Interpreter

__all__ = ["Interpreter", "gradients_of"]
