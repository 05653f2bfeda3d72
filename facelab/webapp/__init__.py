"""Face-ID: a small service that lets people log in by their face, and the page to it. Start it with ``facelab app``.

A frame
    ``frame_bounds`` the work that bytes ask for; ``frames`` bytes to a photograph; ``decoder`` the same in processes that may
    be ended, ``decoding_process`` what runs in them; ``pose`` head turn; ``quality`` hints;
    ``frame_analysis`` all of these, once a frame; ``frame_queue`` their turns; ``template`` what is kept of a face, and the
    comparison score.
A recording in place of a head
    ``copies`` whether two frames are one picture; ``seen_frames`` what a visit leaves behind, ``seen_table`` where; ``replay``
    the guard that looks there.
One photograph in place of a head
    ``liveness_features`` what two frames of a face have in common; ``liveness`` a score of it; ``liveness_file`` its numbers.
A dialogue
    ``signup`` enrolment by five shots; ``login`` the challenge; ``service`` both, sessions and identification, without HTTP.
A second factor
    ``second_factor`` what its kinds share; ``passphrase``, ``passkey``; ``account_factors`` those of the accounts.
What is kept
    ``database`` the file; ``account_store`` what is in it; ``trusted_time`` what a wrong clock may not do; ``vault`` sealed
    templates, and their key; ``keyed_database`` all that is sealed; ``change_counter`` an older copy is told; ``token_store``
    what is under way, in memory; ``consent`` the text that people agree to.
For the person who runs it
    ``opening`` key and database together; ``administration`` single accounts; ``backups`` copies, and putting one back;
    ``key_change`` a new key; ``checkup`` what a start would find; ``core_dumps`` none.
HTTP
    ``api`` and ``passkey_routes`` the operations; ``route_parts`` what these share; ``messages`` their JSON; ``problems``
    refusals; ``middleware`` checks of every request; ``limits`` on attempts and places; ``refusals`` waits after log-ins
    that failed; ``account_names`` which names are one; ``settings`` of a service; ``server`` address, certificate, uvicorn;
    ``connections`` how many and how slow they may be; ``page/`` HTML, CSS, JavaScript.
Measured
    ``calibration`` the thresholds, with FMR, FNMR and FPIR; ``face_set_embeddings`` a data set through the service's detector.
For notebook 10
    ``demo`` a server in a thread, and people of ORL as its clients; ``attacks/`` prints, screens, warps, changed
    recordings, hill climbing.

Imports from facelab: datasets, cropping, methods, evaluation.
"""
