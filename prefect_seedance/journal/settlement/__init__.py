"""What settling an unknown submission rests on: what the balance says of it, and a record that can be read."""
