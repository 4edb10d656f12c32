"""The client process: started by the story, with a folder for its input and its counts."""

import json
import subprocess
import sys
from pathlib import Path

from demo import tally
from demo.models import Trained
from demo.rows import Digits
from demo.tally import Counts

RATE = 40.0
"""Requests per second: enough for evidence within seconds, and a small share of two cores."""
END_SECONDS = 30.0
"""Seconds that requests in flight may take to end; the client gives each 10 s."""


class Traffic:
    """Starts the client, writes its input, reads its counts, and ends it."""

    def __init__(self, folder: Path, address: str, rate: float = RATE) -> None:
        """Store the client's folder and address; nothing runs yet."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._address, self._rate = folder, address, rate
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The file of the client's error output."""
        return self._folder / "client.log"

    def send_rows(self, digits: Digits) -> None:
        """Write the rows to send."""
        rows = {"live": digits.live.to_numpy().tolist(), "odd": digits.odd.to_numpy().tolist()}
        self._write("rows.json", rows)

    def expect(self, trained: Trained, digits: Digits) -> None:
        """Write the answers of a version, before it can answer anything."""
        answers = {"live": trained.answers(digits.live), "odd": trained.answers(digits.odd)}
        self._write(f"answers-{trained.recipe.version}.json", answers)

    def start(self) -> None:
        """Send requests until `end`."""
        command = [sys.executable, "-m", "demo.client", str(self._folder), self._address, str(self._rate)]
        with self.log.open("wb") as log:
            # a session of its own: Ctrl-C stops the story, which then ends the client properly
            self._process = subprocess.Popen(
                command,
                cwd=Path(__file__).parents[1],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def counts(self) -> Counts:
        """Return the latest counts; at most a second old while the client runs."""
        return tally.read(self._folder / "traffic.json")

    def died(self) -> str:
        """Return the client's last output, if it ended by itself; empty: it runs, or was not started, or was ended."""
        if self._process is None or self._process.poll() is None:
            return ""
        said = self.log.read_text(errors="replace").strip().splitlines()
        return f"the client ended with code {self._process.returncode}: {said[-1] if said else 'it said nothing'}"

    def end(self) -> Counts:
        """Send no more, wait for requests in flight, and return the final counts; a second call changes nothing."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return self.counts()

    def _write(self, name: str, content: object) -> None:
        (self._folder / name).write_text(json.dumps(content), encoding="utf-8")
