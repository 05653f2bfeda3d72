"""facelab: a lab course on learning face representations, and the small package that its notebooks share."""

import os

# PyTorch's threads spin while they wait for each other. Beside another busy process, two threads were so seen to train several
# times slower than one. A shorter spin costs little on a quiet machine and avoids that. It must be set before PyTorch is
# loaded; who sets it otherwise is obeyed.
os.environ.setdefault("GOMP_SPINCOUNT", "100000")

__version__ = "0.1.0"
