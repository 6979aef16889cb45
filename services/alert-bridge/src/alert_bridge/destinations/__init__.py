"""Says alerts to people, each destination in its own words and within its own limits."""
