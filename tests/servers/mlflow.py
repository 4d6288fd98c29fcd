"""An MLflow server over MySQL and S3 that hands artifacts through, as the chart runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

from dandelion.objects import create_store
from dandelion.settings import Settings
from tests.servers.mysql import MySqlServer
from tests.servers.ports import free_ports
from tests.servers.process import GivenServer, ServerProcess
from tests.servers.s3 import S3Server


class MlflowServer(ServerProcess):
    """A server with nothing registered."""

    def __init__(self, mysql: MySqlServer, s3: S3Server, folder: Path) -> None:
        (port,) = free_ports(1)
        mysql.create("mlflow")
        create_store(Settings.model_validate({"home": folder, "objects": s3.settings()})).prepare()
        argv = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", mysql.url("mlflow").replace("mysql://", "mysql+pymysql://")),
            *("--artifacts-destination", "s3://mlflow-artifacts", "--serve-artifacts"),
        ]
        env = {
            "AWS_ACCESS_KEY_ID": s3.keys["access_key"],
            "AWS_SECRET_ACCESS_KEY": s3.keys["secret_key"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": s3.url,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        super().__init__(argv, port, folder / "server.log", env)
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """The port is open before the tables are there."""
        try:
            return httpx.get(f"{self.url}/health", timeout=5).is_success
        except httpx.HTTPError:
            return False


class GivenMlflowServer(GivenServer, MlflowServer):
    """A server that the environment names."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.port = httpx.URL(url).port or 443

    @property
    def url(self) -> str:
        return self._url
