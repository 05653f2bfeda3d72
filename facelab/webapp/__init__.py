"""Face-ID: a small service that lets people log in by their face, and the page to it. Start it with ``facelab app``."""
