"""Protocols: train a method and measure it, on people whom it knows, on strangers, or with few labels.

Shared by notebooks, commands and experiments. Who may be imported here: everything down to ``methods`` and ``training``; no
notebook's frame, no command, no experiment.
"""
