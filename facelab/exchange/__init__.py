"""Models in and out: ready embedders by name, and the forms in which others keep theirs.

``embedders`` turns a face into a vector, whoever trained the network; ``onnx_embedder`` is the one that reads ONNX files, which
``onnx_trial`` runs first in a process of its own; ``photographs`` embeds all photographs of a set.

Imports from facelab: datasets, cropping, augment, methods.
"""
