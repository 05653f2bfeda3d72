"""The Face-ID service under test.

One photograph before it: ``attack_presentations`` makes faces and attacks, ``attack_detectors`` fits and cross-fits,
``attacks`` declares the experiment, ``attack_summary`` its record, ``shipped_liveness`` the detector that the service takes
from it. ``replays``: copies of log-ins. ``families``: relatives of LFW.
"""
