"""A real Home Assistant in a process of its own, asked by its own HTTP interface."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.broker import eventually, free_port

HASS = Path(__file__).parents[2] / ".venv-home-assistant" / "bin" / "hass"
OWNER = {"name": "owner", "username": "owner", "password": "of this test alone", "language": "en"}
# What it says of itself, whatever is announced to it.
_NOT_ABOUT_US = re.compile(r"the running Python version|Skipping pip installation")


class HomeAssistant:
    """Home Assistant with an owner and the MQTT integration, set up as a person does it."""

    def __init__(self, folder: Path, broker_host: str, broker_port: int) -> None:
        self._folder = folder
        self._port = free_port()
        self._url = f"http://127.0.0.1:{self._port}"
        self._token: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "configuration.yaml").write_text(
            f"http:\n  server_host: 127.0.0.1\n  server_port: {self._port}\n"
            "homeassistant:\n  country: CH\n  time_zone: UTC\n"
        )
        self._log_path = folder / "home-assistant.out"
        self.start()
        self._token = self._become_owner()
        self._add_mqtt(broker_host, broker_port)

    def start(self) -> None:
        """Start it, and return when it has loaded everything."""
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [str(HASS), "--config", str(self._folder), "--skip-pip"], stdout=log, stderr=log
            )
        # Before there is an owner, /api/onboarding is all it answers.
        eventually(self._is_running, 60.0, self.log)

    def stop(self) -> None:
        """End it as a person would; it writes down what it remembers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
            self._process = None

    def states(self, part_of_id: str) -> dict[str, dict[str, Any]]:
        """Return state and attributes of every entity with these words in its id."""
        found = self._ask("GET", "/api/states")
        return {each["entity_id"]: each for each in found if part_of_id in each["entity_id"]}

    def state(self, entity_id: str) -> str | None:
        """Return an entity's state, None when there is no such entity."""
        found = self.states(entity_id).get(entity_id)
        return None if found is None else str(found["state"])

    def press(self, entity_id: str) -> None:
        """Press a button."""
        self._ask("POST", "/api/services/button/press", {"entity_id": entity_id})

    def render(self, template: str) -> str:
        """Return what a template gives: the registries have no other way out by HTTP."""
        return str(self._ask("POST", "/api/template", {"template": template}))

    def log(self) -> str:
        return self._log_path.read_text("utf-8", "replace")

    def complaints(self) -> list[str]:
        """Return the warnings and errors of its log."""
        return [
            line
            for line in self.log().splitlines()
            if re.search(r" (WARNING|ERROR|CRITICAL) \(", line) and not _NOT_ABOUT_US.search(line)
        ]

    def _is_running(self) -> bool:
        try:
            if self._token is None:
                return bool(self._ask("GET", "/api/onboarding"))
            return bool(self._ask("GET", "/api/config")["state"] == "RUNNING")
        except (HTTPError, URLError, ConnectionError):
            return False

    def _become_owner(self) -> str:
        client = {"client_id": f"{self._url}/"}
        code = self._ask("POST", "/api/onboarding/users", {**client, **OWNER})["auth_code"]
        form = urlencode({**client, "grant_type": "authorization_code", "code": code})
        with urlopen(Request(f"{self._url}/auth/token", form.encode()), timeout=30) as answer:
            return str(json.load(answer)["access_token"])

    def _add_mqtt(self, host: str, port: int) -> None:
        flow = self._ask("POST", "/api/config/config_entries/flow", {"handler": "mqtt"})
        path = f"/api/config/config_entries/flow/{flow['flow_id']}"
        result = self._ask("POST", path, {"broker": host, "port": port})
        assert result["type"] == "create_entry", result

    def _ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> Any:
        request = Request(f"{self._url}{path}", method=method)
        request.add_header("Content-Type", "application/json")
        if self._token is not None:
            request.add_header("Authorization", f"Bearer {self._token}")
        body = None if document is None else json.dumps(document).encode()
        with urlopen(request, body, timeout=30) as answer:
            text = answer.read().decode()
        is_json = answer.headers.get_content_type() == "application/json"
        return json.loads(text) if is_json else text
