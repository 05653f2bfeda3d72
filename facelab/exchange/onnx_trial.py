"""Run in a process of its own, as a script: one pass of an ONNX file, which may end the process or ask for all memory.

stdin: a line of JSON with name, type and shape of its input, then the file. stdout: JSON, of each output its name, type and
shape. What goes wrong is on the last line of stderr.
"""

from __future__ import annotations

import json
import sys

_MEMORY = 8 * 2**30  # bytes of address space beside four times the file


def main() -> None:
    """See above."""
    sys.path.pop(0)  # the folder of this script, whose modules are no libraries
    import numpy as np
    import onnxruntime

    name, kind, shape = json.loads(sys.stdin.buffer.readline())
    model = sys.stdin.buffer.read()
    _limit_memory(_MEMORY + 4 * len(model))
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads, options.inter_op_num_threads = 4, 1, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: np.zeros(shape, kind)})
    outputs = [
        (output.name, str(value.dtype), list(value.shape)) if isinstance(value, np.ndarray) else (output.name, "", [])
        for output, value in zip(session.get_outputs(), found, strict=True)
    ]
    print(json.dumps(outputs))


def _limit_memory(most: int) -> None:
    """Bytes of address space of this process, where the system counts them (Linux); a lower limit that it has stays."""
    if sys.platform != "linux":
        return
    import resource

    _, allowed = resource.getrlimit(resource.RLIMIT_AS)
    most = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
