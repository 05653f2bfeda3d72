"""What notebooks work out of measured records, or measure for themselves, and no experiment needs.

``conclusions`` (11), ``vcl_analysis`` (09), ``margin_geometry`` (07), ``memory`` (05).
"""
