"""What settling an unknown submission rests on: what the balance says of it, whose a task is, a record to be read."""
