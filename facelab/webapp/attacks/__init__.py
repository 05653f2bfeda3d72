"""What somebody might hold before the camera, or send in place of one: for notebook 10, which tries it on its own service.

``prints`` paper and screens; ``warps`` what a computer makes of one photograph; ``camera`` what films all of them and the
faces alike; ``presentations`` the instruments by name, each a straight and a turned frame; ``recordings`` what
is done to a recorded frame; ``hill_climbing`` on a told score.
"""

from facelab.webapp.attacks.camera import Camera
from facelab.webapp.attacks.hill_climbing import hill_climb
from facelab.webapp.attacks.presentations import EDITED_WARP, INSTRUMENTS
from facelab.webapp.attacks.prints import bent_print, on_screen, rotated_print
from facelab.webapp.attacks.warps import turned_by_depth, warped_to_side

__all__ = [
    "EDITED_WARP",
    "INSTRUMENTS",
    "Camera",
    "bent_print",
    "hill_climb",
    "on_screen",
    "rotated_print",
    "turned_by_depth",
    "warped_to_side",
]
