"""The reference: graphs run layer by layer by plain code, which what runs them fast is held against."""

from .interpreter import Interpreter

__all__ = ["Interpreter"]
