"""All of `streetlight.functional` under PyTorch's name: `import streetlight.nn.functional as F`."""

from streetlight.functional import *  # noqa: F403
