"""The native protocol's topics as Server-Sent Events, for clients that only listen."""
