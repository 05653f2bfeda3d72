"""Protocols: who is trained on, who is asked about, what is measured. People who are known, strangers, few labels, alignment.

``closed_set`` other photographs of people who train; ``unseen_people`` pairs of strangers; ``few_labels``; ``face_alignment``
what detection and alignment are worth; ``pair_sets`` verification sets by name, ``verification`` an embedder judged by one, and
``training_people`` whom it must not have seen. Shared by notebooks, commands and experiments.

Imports from facelab: datasets, cropping, augment, backbones, methods, training, evaluation, scoring, search, records, exchange.
"""
