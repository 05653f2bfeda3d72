"""Models in and out: ready embedders by name, and the forms in which others keep theirs.

``embedders`` turns a face into a vector, whoever trained the network; ``onnx_embedder`` is the one that reads ONNX files,
whose input ``onnx_input`` knows and which ``onnx_trial`` runs first in a process of its own; ``photographs`` embeds all
photographs of a set. ``exported_model`` is a trained network as it is handed on, ``model_folder`` its files in the form of
the Hugging Face Hub, with ``model_card`` (of ``card_sections`` and ``card_results``) and ``onnx_file``; ``quantization`` makes
that file smaller. ``training_record`` is what ``facelab train`` left beside a method; ``publishable`` takes paths out of lines.

Imports from facelab: datasets, cropping, augment, backbones, methods, records.
"""
