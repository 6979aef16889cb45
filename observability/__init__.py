"""What operators see: the catalogue of metrics, the rules that watch them, the dashboards that show them."""
