"""What a person agrees to before a picture is taken. A change of the meaning raises the version."""

VERSION = "1"
TEXT = (
    "Face-ID looks at pictures from your camera to recognise you. From five of them it works out one list of numbers that "
    "describes your face, your template.",
    "Kept are your name, this template, encrypted, the times of your log-ins, and whether others may find you by "
    "a picture. No picture is kept.",
    "The template is used to recognise you here, and for nothing else. It stays on this computer.",
    "You can see all that is stored about you, and delete it at any time. Then it is gone from every file. If you do not log "
    "in for 90 days it is deleted as well.",
    "This is a demonstration of a course. It can take another person for you, and it cannot tell every picture "
    "or film from a face. Do not protect anything of value with it.",
)
