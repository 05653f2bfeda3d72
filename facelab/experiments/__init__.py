"""The experiments behind ``data/results``: one module a record, or a family of records.

``experiment`` says what one is, ``registry`` names and lists them all, ``grid`` runs any of them: ``cells`` is what it keeps,
``local_processes`` or ``slurm_jobs`` who computes; ``stopwatch`` tells what a training takes of the processor. ``command``
is ``facelab experiment``. ``analysis`` holds what notebooks measure or work out beside them. Only ``cli`` and notebooks import
from here.

Imports from facelab: datasets, cropping, augment, backbones, losses, optim, methods, training, evaluation, scoring,
search, records, exchange, plots, webapp, protocols, labs, batches, commands.
"""
