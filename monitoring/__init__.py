"""The Grafana dashboards as code; `python -m monitoring` writes dashboards/*.json from it."""
