"""``facelab`` as it is typed, with a line in a file for every piece of work that has a progress bar: see ``scale``."""

import logging
import sys

from facelab import cli, progress


class Lines(logging.FileHandler):
    """Description, total and seconds of each piece, with tabs between them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        with open(self.baseFilename, "a", encoding="utf-8") as file:
            print(*record.args, sep="\t", file=file)


if __name__ == "__main__":
    progress.LOG.addHandler(Lines(sys.argv.pop(1)))
    progress.LOG.setLevel(logging.INFO)
    progress.LOG.propagate = False
    sys.argv[0] = "facelab"
    sys.exit(cli.main())
