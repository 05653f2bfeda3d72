"""The processor time of a training, and that to an accuracy, by a clock that the test turns."""

import json

from facelab.experiments import stopwatch as module
from facelab.experiments.stopwatch import Stopwatch, processor_seconds
from facelab.training import History


def test_the_stopwatch_does_not_count_looking_and_goes_on_where_it_was_stopped(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(module.time, "process_time", lambda: clock[0])
    accuracies = iter([0.5, 0.8])

    def measure(method):
        clock[0] += 1000
        return next(accuracies)

    stopwatch = Stopwatch(measure, 0.794)
    clock[0] += 10
    assert stopwatch(None) == {"processor seconds": 10, "accuracy": 0.5}
    clock[0] += 7
    kept = json.loads(json.dumps(stopwatch.state_dict()))
    clock[0] += 300  # lost with the process
    stopwatch = Stopwatch(measure, 0.794)
    stopwatch.load_state_dict(kept)
    clock[0] += 5
    assert stopwatch(None) == {"processor seconds": 22, "accuracy": 0.8}
    clock[0] += 4
    assert stopwatch(None) == {"processor seconds": 26}, "reached: nobody looks any more"
    again = Stopwatch(measure, 0.794)
    again.load_state_dict(stopwatch.state_dict())
    clock[0] += 1
    assert again(None) == {"processor seconds": 27}


def test_without_a_measure_only_the_time_is_told(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(module.time, "process_time", lambda: clock[0])
    stopwatch = Stopwatch()
    clock[0] += 3
    assert stopwatch(None) == {"processor seconds": 3}
    clock[0] += 4
    assert stopwatch(None) == {"processor seconds": 7}


def test_a_training_has_the_seconds_of_its_last_epoch():
    history = History([{"processor seconds": 3.0, "loss": 1.0}, {"processor seconds": 7.0, "loss": 0.5}])
    assert processor_seconds(history) == 7.0
