"""Protocols: who is trained on, who is asked about, what is measured. People who are known, strangers, few labels, alignment.

Shared by notebooks, commands and experiments.

Imports from facelab: datasets, cropping, augment, backbones, methods, training, evaluation, records.
"""
