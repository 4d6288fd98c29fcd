"""Every setting: one frozen section per file, read once from the environment and passed in.

The environment variable of a setting is `DANDELION_<SECTION>__<KEY>`, for example `DANDELION_API__PORT=8080`.
"""

from dandelion.settings.access import AccessSettings
from dandelion.settings.api import ApiSettings
from dandelion.settings.database import DatabaseSettings
from dandelion.settings.grpc import GrpcSettings
from dandelion.settings.inference import InferenceSettings
from dandelion.settings.load import API_KEY_VARIABLE, as_text, load_settings, variables
from dandelion.settings.log import LogSettings
from dandelion.settings.monitoring import MonitoringSettings
from dandelion.settings.notify import NotifyOutcome, NotifySettings
from dandelion.settings.objects import S3Settings
from dandelion.settings.prefect import PrefectSettings
from dandelion.settings.release import ReleaseSettings
from dandelion.settings.retraining import RetrainingSettings
from dandelion.settings.section import Section
from dandelion.settings.settings import Settings
from dandelion.settings.tracing import TracingSettings
from dandelion.settings.ui import UiSettings

__all__ = [
    "API_KEY_VARIABLE",
    "AccessSettings",
    "ApiSettings",
    "DatabaseSettings",
    "GrpcSettings",
    "InferenceSettings",
    "LogSettings",
    "MonitoringSettings",
    "NotifyOutcome",
    "NotifySettings",
    "PrefectSettings",
    "ReleaseSettings",
    "RetrainingSettings",
    "S3Settings",
    "Section",
    "Settings",
    "TracingSettings",
    "UiSettings",
    "as_text",
    "load_settings",
    "variables",
]
