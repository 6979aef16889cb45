"""Makes alerts of messages on the bus: what a watch looks for, by its filter, said in its words."""
