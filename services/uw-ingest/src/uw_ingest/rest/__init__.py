"""What is asked over REST out of one shared budget: polls, and what fills gaps."""
