"""How Baleen is deployed: what the bus, images and containers are made from."""
