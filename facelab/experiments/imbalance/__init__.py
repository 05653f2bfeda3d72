"""Experiments on uneven training sets: designs, parts (who is where), runs, figures (what is measured), summary, tables;
``lfw``: verification by gender."""
