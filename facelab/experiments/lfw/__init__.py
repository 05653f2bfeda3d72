"""Experiments on Labeled Faces in the Wild: View 2 by names (``view2``, ``ensemble`` of ``members``) and without
(``self_supervised``), and after VICReg elsewhere (``finetuning``)."""
