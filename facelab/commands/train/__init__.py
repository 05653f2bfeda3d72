"""``facelab train``: command (its options), settings (what is typed), effects (options that would change nothing),
task (what is prepared), run (train), report (measure), search (the objective of ``facelab sweep``)."""
