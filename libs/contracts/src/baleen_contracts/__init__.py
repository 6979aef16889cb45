"""What travels: messages, subjects, versions and schemas."""
