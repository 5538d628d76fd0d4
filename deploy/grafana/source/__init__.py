"""The dashboards as tables: what they ask, and how it is drawn. `make dashboards` writes them as Grafana's JSON."""
