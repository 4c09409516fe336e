"""The primitive operations, one fact sheet each, and the thin functions that people call.

`registry.all_ops` holds every fact sheet by name. A primitive whose public function has more
arguments (defaults, negative dimensions) starts with an underscore.
"""

from streetlight.ops.composed import *  # noqa: F403
from streetlight.ops.convolution import *  # noqa: F403
from streetlight.ops.elementwise import *  # noqa: F403
from streetlight.ops.indexing import *  # noqa: F403
from streetlight.ops.linalg import *  # noqa: F403
from streetlight.ops.movement import *  # noqa: F403
from streetlight.ops.pooling import *  # noqa: F403
from streetlight.ops.reduce import *  # noqa: F403
