"""What the commands of ``facelab`` do, one file each; ``cli.py`` is their table. No notebook imports from here.

Who may be imported here: everything but ``experiments``, whose command stands with them (``experiments/command.py``).
"""
