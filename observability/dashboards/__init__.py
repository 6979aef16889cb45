"""Baleen's Grafana dashboards in code; `python -m observability.dashboards` writes them as JSON."""
