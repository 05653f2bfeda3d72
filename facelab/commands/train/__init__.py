"""``facelab train``: command (its options), settings (what is typed), task (what is prepared), run (train), report (measure),
search (``--trials``)."""
