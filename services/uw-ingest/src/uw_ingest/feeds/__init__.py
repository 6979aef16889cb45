"""What is known of a feed: how it stands, what it missed, what was there before."""
