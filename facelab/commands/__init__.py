"""What the commands of ``facelab`` do, one file a command (``train``: a folder); ``cli.py`` is their table. ``console``,
``output_tree`` and ``parameters`` are what several share. ``facelab experiment`` stands with the experiments, in
``experiments/command.py``.

Imports from facelab: datasets, cropping, augment, backbones, methods, training, evaluation, records, exchange, plots,
webapp, exercises, protocols, labs, grading, batches, sweeps.
"""
