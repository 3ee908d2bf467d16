"""What a request's fields are called, and the help that the form shows for each."""
