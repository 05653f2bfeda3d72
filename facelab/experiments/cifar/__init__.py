"""Experiments on CIFAR-10 and CIFAR-100: ``margins`` by names, ``self_supervised`` without, ``compression`` of their files."""
