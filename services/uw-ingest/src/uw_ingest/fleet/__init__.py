"""This replica among the others: leases, the plan that all follow, orders, and `/budget`."""
