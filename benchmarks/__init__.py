"""How fast facelab is, beside other libraries: ``python -m benchmarks`` (``make bench``).

Contenders take turns within one run, so that a busy machine slows all of them alike, and what counts is their ratio. One
module a part, each with a ``TITLE`` and ``measure(effort) -> list[Row]``: ``views``, ``steps``, ``end_to_end``, ``learning``
(what is learned in the same time; hours, and only where it is named), ``losses``, ``network``, ``memory``, ``verification``,
``search``, ``notebooks``. They share ``timing`` (turns, medians and quartiles), ``laptop`` (the network and the photographs
of the course) and ``contenders`` (lightly and pytorch-metric-learning). ``results`` keeps what was measured and of which
``machine``, ``table`` writes it into the README, and ``command`` says in one line why it cannot go on.

``python -m benchmarks.scale`` (``make bench-scale``) shows the commands on half a million photographs, by ``timed_command``.
"""
