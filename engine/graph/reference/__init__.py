"""The reference: graphs run layer by layer by plain code, which what runs them fast is held against."""

from .gradients import gradients_of
from .interpreter import Interpreter

__all__ = ["Interpreter", "gradients_of"]
