"""What is looked at after a batch, or of a whole store. Names are imported from their modules.

- `report_files`: the report of a batch, written into the store: HTML, CSV, JSON, and the manifest as it was read.
- `joined_report`: one report of all the parts of a batch, made of what each has left in the store.
- `gallery`: the same page of all that a store has.
- `page`: one HTML file that holds all it shows and loads nothing but videos; `assets/` is what it is made of.
- `spreadsheet`: the rows as a CSV file that no spreadsheet takes for formulas.
- `links`: how a page leads to the videos beside it.
- `thumbnails`, `contact_sheet`: pictures of a few kilobytes, made of the posters.
"""
