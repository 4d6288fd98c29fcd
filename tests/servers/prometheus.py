"""Prometheus and Alertmanager on free ports, in a clock that runs faster than theirs, and a webhook that remembers."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.servers import tools
from tests.servers.ports import free_ports
from tests.servers.process import ServerProcess

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def hurry(text: str, scale: float) -> str:
    """The same durations, so many times shorter: `5m` in tenths is `30000ms`."""

    def shorter(match: re.Match[str]) -> str:
        return f"{max(1000, round(int(match[1]) * SECONDS[match[2]] * 1000 / scale))}ms"

    return re.sub(r"\b(\d+)([smhd])\b", shorter, text)


def hurried_rules(source: Path, scale: float) -> dict[str, Any]:
    """Rules whose ranges, offsets and waits are so many times shorter; what they compare with stays."""
    rules: dict[str, Any] = yaml.safe_load(source.read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"\[[^\]]+\]|offset \w+", lambda match: hurry(match[0], scale), rule["expr"])
            if "for" in rule:
                rule["for"] = hurry(rule["for"], scale)
    return rules


class Prometheus(ServerProcess):
    """A server that scrapes every other second, and asks its rules every second.

    Args:
        folder: Its own.
        rules: What it evaluates every second.
        jobs: Job to its targets, `host:port`, with a path where it is not /metrics.
        alertmanager: Where alerts go.
    """

    def __init__(
        self, folder: Path, rules: Mapping[str, Any], jobs: Mapping[str, tuple[Sequence[str], str]], alertmanager: str
    ) -> None:
        (port,) = free_ports(1)
        (folder / "rules.yaml").write_text(yaml.safe_dump(dict(rules)))
        config = {
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yaml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
            "scrape_configs": [
                {"job_name": name, "metrics_path": path, "static_configs": [{"targets": list(targets)}]}
                for name, (targets, path) in jobs.items()
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        self.url = f"http://127.0.0.1:{port}"
        argv = [
            *(str(tools.find("prometheus")), f"--config.file={folder}/prometheus.yaml"),
            *(f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"),
        ]
        super().__init__(argv, port, folder / "prometheus.log")
        self.start()

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def ask(self, expr: str) -> list[dict[str, Any]]:
        """The samples of an expression now."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expr}, timeout=30)
        body = answer.json()
        assert body["status"] == "success", f"{expr}: {body}"
        data = body["data"]
        return [{"metric": {}, "value": data["result"]}] if data["resultType"] == "scalar" else data["result"]

    def firing(self) -> set[str]:
        """Alerts that fire now."""
        return {each["metric"]["alertname"] for each in self.ask('ALERTS{alertstate="firing"}')}


class Alertmanager(ServerProcess):
    """A server with this configuration."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        port, cluster = free_ports(2)
        (folder / "alertmanager.yaml").write_text(yaml.safe_dump(dict(config)))
        self.address = f"127.0.0.1:{port}"
        argv = [
            *(str(tools.find("alertmanager")), f"--config.file={folder}/alertmanager.yaml"),
            *(f"--storage.path={folder}/alertmanager", f"--web.listen-address={self.address}"),
            f"--cluster.listen-address=127.0.0.1:{cluster}",
        ]
        super().__init__(argv, port, folder / "alertmanager.log")
        self.start()

    def suppressed(self) -> set[str]:
        """Alerts that fire and are kept from being told."""
        return {name for name, state in self._alerts() if state == "suppressed"}

    def knows(self) -> set[str]:
        """Alerts that it has not been told the end of."""
        return {name for name, _ in self._alerts()}

    def _alerts(self) -> list[tuple[str, str]]:
        found = httpx.get(f"http://{self.address}/api/v2/alerts", timeout=10).json()
        return [(each["labels"]["alertname"], each["status"]["state"]) for each in found]


class Webhook:
    """Somebody whom Alertmanager tells; remembers when, by which receiver, and what."""

    def __init__(self) -> None:
        told = self.told = []  # type: list[tuple[float, str, dict[str, Any]]]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.extend((time.monotonic(), self.path.strip("/"), alert) for alert in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def firing(self, name: str, since: float, feature: str = "") -> dict[str, Any] | None:
        """The first telling of an alert since a moment, if any; with a label `feature`, of that feature."""
        for moment, _, alert in self.told:
            labels = alert["labels"]
            is_it = labels["alertname"] == name and labels.get("feature", "") == feature
            if moment >= since and alert["status"] == "firing" and is_it:
                return alert
        return None

    def close(self) -> None:
        self._server.shutdown()
