"""Checks for operations and gradients, for Streetlight's own tests and for everybody's."""

from streetlight.testing.gradcheck import gradcheck, gradgradcheck
from streetlight.testing.op_check import check_op

__all__ = ["check_op", "gradcheck", "gradgradcheck"]
