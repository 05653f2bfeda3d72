"""Face-ID: a small service that lets people log in by their face, and the page to it. Start it with ``facelab app``.

A frame, from its bytes to an embedding
    ``frame_bounds`` how much work its bytes ask for, counted before anything is decoded; ``frames`` decodes them; ``decoder``
    does so in processes that can be ended, ``decoding_process`` is what runs in these; ``pose`` head turn; ``quality`` hints;
    ``frame_analysis`` puts these together, once a frame; ``work_queue`` whose frame is next; ``template`` what is kept of a
    face, and the comparison score.
Presentation attacks: one photograph, or a recording, in place of a head
    ``liveness_features`` nine figures of a straight and a turned frame; ``liveness`` a score of them; ``liveness_file`` its
    file. ``copies`` whether two frames come from one picture; ``replay`` whether a log-in is a copy of an earlier visit;
    ``seen_frames`` what a visit leaves behind for that, ``seen_table`` its rows in the database.
The dialogues, without HTTP
    ``signup`` five shots; ``login`` the challenge; ``service`` both, sessions and identification; ``token_store`` those that
    are under way, in memory; ``settings`` all that can be set; ``consent`` the text that people agree to; ``account_names``
    which names are the same.
The second factor
    ``second_factor`` what its kinds share; ``passphrase`` and ``passkey``; ``account_factors`` those of the accounts.
Limits
    ``limits`` attempts and places by address; ``refusals`` waits after refused log-ins; ``connections`` how many there are, and
    how slow.
The database and its key
    ``database`` the SQLite file; ``keyed_database`` the part that depends on the key; ``account_store`` the accounts;
    ``audit_table`` the audit; ``trusted_time`` guards against a wrong clock; ``vault`` the key, and sealing;
    ``change_counter`` tells an older copy.
Commands of the person who runs it
    ``opening`` key and database together; ``checkup`` ``facelab app --check``; ``administration``, ``backups``, ``key_change``
    ``facelab accounts``; ``core_dumps`` forbids them.
HTTP
    ``server`` address and uvicorn; ``certificates`` of TLS; ``middleware`` what every request must pass; ``api`` and
    ``passkey_routes`` the operations, ``route_parts`` what they share; ``session_cookie`` that of a log-in; ``messages`` their
    JSON; ``problems`` refusals; ``page/`` HTML, CSS, JavaScript.
Measuring and teaching
    ``calibration`` the thresholds, with FMR, FNMR and FPIR; ``face_set_embeddings`` a data set through the service's detector;
    ``demo`` a server in a thread and people of ORL as its clients; ``attacks/`` prints, screens, warps, changed recordings,
    hill climbing.

Imports from facelab: datasets, cropping, evaluation, exchange.
"""
