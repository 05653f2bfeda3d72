"""``facelab train``: command (its options), recipes (settings of earlier projects), settings (what is typed), effects
(options that would change nothing), task (what is prepared), run (train), report (measure), search (the objective of
``facelab sweep``)."""
