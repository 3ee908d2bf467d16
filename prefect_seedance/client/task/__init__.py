"""What an answer says about a task: the meaning of its status, and where its video is. Tables, and what reads them."""
