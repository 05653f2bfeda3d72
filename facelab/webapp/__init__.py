"""Face-ID: a small service that lets people log in by their face, and the page to it. Start it with ``facelab app``.

A frame
    ``frame_bounds`` the work that bytes ask for; ``frames`` bytes to a photograph; ``pose`` head turn; ``quality`` hints;
    ``replay`` frames that were sent before; ``frame_analysis`` all of these, once a frame; ``frame_queue`` their turns;
    ``template`` what is kept of a face, and the comparison score.
A dialogue
    ``signup`` enrolment by five shots; ``login`` the challenge; ``service`` both, sessions and identification, without HTTP.
What is kept
    ``database`` the file; ``account_store`` what is in it; ``trusted_time`` what a wrong clock may not do; ``vault`` sealed
    templates; ``token_store`` what is under way, in memory; ``consent`` the text that people agree to.
HTTP
    ``api`` the operations; ``messages`` their JSON; ``problems`` refusals; ``middleware`` checks of every request; ``limits``
    on attempts and places; ``account_names`` which names are one; ``settings`` of a service; ``server`` address, certificate,
    uvicorn; ``connections`` how many and how slow they may be; ``page/`` HTML, CSS, JavaScript.
Measured
    ``calibration`` the thresholds, with FMR, FNMR and FPIR; ``face_set_embeddings`` a data set through the service's detector.
For notebook 10
    ``demo`` a server in a thread, and people of ORL as its clients; ``attacks`` presentation attack by a print, hill climbing.

Imports from facelab: datasets, cropping, methods, evaluation.
"""
