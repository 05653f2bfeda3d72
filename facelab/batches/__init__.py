"""Batches: notebooks x data sets x seeds as a plan of tasks, on this machine or on a cluster.

``plan`` writes a batch down, ``task`` does one task of it, and ``attempts`` keeps what became of each try; ``status`` says how
far all are, ``results`` what they measured. ``run`` does all that are missing by an engine: ``jobs`` submits calls by submitit
and watches them in ``slurm_queue``, or as ``local_jobs``; ``task_job`` is the call that does a task there.

Imports from facelab: records, labs.
"""
