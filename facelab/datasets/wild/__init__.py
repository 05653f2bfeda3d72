"""Simulated conditions of a photograph: geometry, light, occlusion and sensor, each a file, told by a table of parameters."""
