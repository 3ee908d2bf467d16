"""What is looked at after a batch: a page with the videos, tables for spreadsheets and programs, a contact sheet."""
