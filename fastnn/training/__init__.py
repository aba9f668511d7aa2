"""Training: the session, the engines that it drives, and what they share."""
