"""Protocols: who is trained on, who is asked about, what is measured. People who are known, strangers, few labels, alignment.

``closed_set`` other photographs of people who train; ``unseen_people`` pairs of strangers; ``few_labels``; ``face_alignment``
what detection and alignment are worth. Shared by notebooks, commands and experiments.

Imports from facelab: datasets, cropping, augment, backbones, methods, training, evaluation, search, records.
"""
