"""What the workers and replicas of the gateway are to each other and to uw-ingest."""
