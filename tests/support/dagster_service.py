"""A real daemon and webserver on loopback, and their GraphQL; only processes that were started here are ended."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import psutil

from resources.dagster_home import prepare_dagster_home
from srp_assets.settings import PROJECT_ROOT, Settings
from support.waiting import until

SELECTOR = {"repositoryLocationName": "srp", "repositoryName": "__repository__"}
START_SECONDS = 240
LOCAL = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class DagsterService:
    """`dagster dev` as `make dev` starts it."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def is_alive(self) -> bool:
        """Whether it runs; a test that waits for it fails at once if it does not."""
        return self.process.poll() is None

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The data of an answer."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        request = Request(f"http://127.0.0.1:{self.port}/graphql", data=body, headers={"Content-Type": "application/json"})
        with LOCAL.open(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def loaded(self) -> bool:
        """Whether the code location is served."""
        query = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename } } } } }"
        try:
            (entry,) = self.graphql(query)["workspaceOrError"]["locationEntries"]
        except (URLError, ConnectionError, ValueError):
            return False
        assert entry["locationOrLoadError"] is None or entry["locationOrLoadError"]["__typename"] == "RepositoryLocation", entry
        return bool(entry["loadStatus"] == "LOADED")

    def run_status(self, run_id: str) -> str:
        """The status of a run."""
        query = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        return str(self.graphql(query, {"id": run_id})["runOrError"]["status"])


@contextmanager
def dagster_service(settings: Settings, log: Path) -> Iterator[DagsterService]:
    """Starts the daemon and the webserver on a home, and ends them with all their children."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", "workspace.yaml", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "DAGSTER_HOME": str(prepare_dagster_home(settings))}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=output, stderr=output, start_new_session=True)
        service = DagsterService(process, port, log)
        try:
            until(service.loaded, "the webserver", seconds=START_SECONDS, alive=service.is_alive)
            yield service
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
    for member in family[:1]:
        member.send_signal(signal.SIGINT)
    _, left = psutil.wait_procs(family, timeout=30)
    for member in left:
        member.kill()
    process.wait(timeout=30)
