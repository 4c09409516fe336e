"""Files in and out: weights as safetensors, and writing that never leaves half a file."""

from streetlight.interop.files import atomic_write
from streetlight.interop.safetensors import load, load_metadata, save

__all__ = ["atomic_write", "load", "load_metadata", "save"]
