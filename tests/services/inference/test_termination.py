"""A process that is asked to end answers what it has, and takes no more."""

import json
import signal
from pathlib import Path

from tests.services.inference.serving import served, until

ROW = {"name": "input", "shape": [1, 3], "datatype": "FP64", "data": [0.5, -1.0, 2.0]}
BODY = json.dumps({"inputs": [ROW]}).encode()


def test_a_request_in_flight_is_answered_after_the_signal(classifier: Path, tmp_path: Path) -> None:
    """It is not ready from the signal on; the request that had arrived gets its answer; then it ends by itself."""
    with served(classifier, tmp_path) as service:
        service.wait_ready()
        with service.half_sent(BODY) as connection:
            service.process.send_signal(signal.SIGTERM)
            until(lambda: not service.ready())
            connection.sendall(BODY[-1:])
            answer = connection.recv(65536)
        until(lambda: service.process.poll() is not None)

    assert answer.startswith(b"HTTP/1.1 200")
    assert service.process.returncode == 0
