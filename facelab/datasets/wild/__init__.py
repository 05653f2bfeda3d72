"""Simulated conditions of a photograph: geometry, light, occlusion and sensor, each a file, described by a table of parameters.

Its files import each other and nothing else of ours.
"""
