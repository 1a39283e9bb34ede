"""What Prometheus reads: the snapshot of a signal state, under the holds and peaks that a scraping reader needs."""

from exporters.view.prometheus import PrometheusView

__all__ = ["PrometheusView"]
