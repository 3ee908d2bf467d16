"""What settling an unknown submission rests on: what the balance says of it, a record that can be read, a video."""
