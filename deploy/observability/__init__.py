"""What an operator's Prometheus and Grafana are given. `python -m deploy.observability` writes what is generated."""
