"""Experiments on CIFAR-10 and CIFAR-100: ``margins`` by names, ``transfer`` from learning without them to few of them."""
