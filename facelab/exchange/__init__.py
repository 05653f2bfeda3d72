"""Models in and out: ready embedders by name, and the forms in which others keep theirs.

``embedders`` turns a face into a vector, whoever trained the network.

Imports from facelab: cropping, augment, methods.
"""
