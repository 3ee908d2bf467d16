"""What settling a submission rests on: what the balance says, whose a task is, a record to be read, a video."""
