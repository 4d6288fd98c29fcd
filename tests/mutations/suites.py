"""The tests that speak for a package, where no cheap test was seen to run a line: in another process, on a server."""

from __future__ import annotations

from tests.mutations.faults import Fault

# What is before a file's path decides; of several, the longest. Cheap suites come first.
SUITES: dict[str, tuple[str, ...]] = {
    "": ("tests/unit/test_settings.py", "tests/unit/test_cli.py", "tests/integration/test_server.py"),
    "access/": ("tests/unit/test_access.py", "tests/unit/test_jwks.py", "tests/integration/test_access.py"),
    "api/": (
        "tests/integration/test_api.py",
        "tests/integration/test_bad_input.py",
        "tests/integration/test_server.py",
    ),
    "api/history": ("tests/integration/test_feedback.py", "tests/integration/test_journal.py"),
    "api/retrainings": ("tests/integration/test_triggered_retrainings.py",),
    "backup/": ("tests/integration/test_erasure.py", "tests/flows/test_backup.py"),
    "backup/dump": ("tests/flows/test_backup.py",),
    "batch/": ("tests/flows/test_batch.py",),
    "cli/": ("tests/unit/test_cli.py", "tests/integration/test_db_commands.py"),
    "cli/supervisor": ("tests/e2e/test_up.py",),
    "cli/up": ("tests/e2e/test_up.py",),
    "client/": ("tests/unit/test_client.py", "tests/integration/test_feedback.py"),
    "concurrency/": ("tests/unit/test_periodic.py", "tests/unit/test_executor.py", "tests/unit/test_tasks.py"),
    "db/": ("tests/integration/test_database.py", "tests/integration/test_db_commands.py"),
    "db/tls": ("tests/integration/test_database_tls.py",),
    "feedback/": (
        "tests/unit/test_labels.py",
        "tests/integration/test_feedback.py",
        "tests/integration/test_labelling.py",
    ),
    "flows/": ("tests/unit/test_flows.py", "tests/unit/test_deploy.py", "tests/flows/test_loop.py"),
    "http/": (
        "tests/unit/test_addresses.py",
        "tests/integration/test_connections.py",
        "tests/integration/test_server.py",
    ),
    "imaging/": ("tests/unit/test_decode.py", "tests/unit/test_clean.py"),
    "inference/challenger": ("tests/integration/test_versions.py",),
    "inference/": ("tests/unit/test_classifier.py", "tests/integration/test_registry.py"),
    "journal/": ("tests/integration/test_journal.py", "tests/integration/test_photos.py"),
    "objects/": ("tests/integration/test_objects.py", "tests/integration/test_object_commands.py"),
    "orchestration/": ("tests/flows/test_artifacts.py", "tests/flows/test_loop.py"),
    "package/": ("tests/unit/test_package.py", "tests/unit/test_reference.py"),
    "privacy/": ("tests/integration/test_erasure.py", "tests/integration/test_photos.py"),
    "registry/": (
        "tests/unit/test_rest.py",
        "tests/integration/test_registry_tls.py",
        "tests/integration/test_registry.py",
    ),
    "release/": ("tests/unit/test_release.py", "tests/unit/test_gate.py"),
    "retraining/": ("tests/unit/test_retraining.py", "tests/flows/test_failures.py"),
    "telemetry/": ("tests/monitoring/test_traces.py",),
    "training/fetch": ("tests/unit/test_fetch.py",),
    "training/": ("tests/unit/test_train.py", "tests/unit/test_checks.py"),
    "ui/": ("tests/unit/test_ui.py", "tests/ui"),
    "monitoring/": ("tests/unit/test_monitor.py", "tests/integration/test_monitoring.py"),
}


def suites_of(fault: Fault) -> tuple[str, ...]:
    """Folders and files of tests, cheapest first."""
    file = fault.file.removeprefix("dandelion/")
    return SUITES[max((prefix for prefix in SUITES if file.startswith(prefix)), key=len)]
