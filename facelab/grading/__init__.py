"""Grading hand-ins: ``hand_ins`` finds the students and their files, ``notebook_code`` the answers in a notebook by the names
of their functions. ``apart`` runs each answer in a process of its own, with ``isolation`` where the system allows it.
``child``, ``judging`` and ``seal`` are what happens in that process. ``grades`` makes the rows.

Imports from facelab: training, exercises, labs.
"""
