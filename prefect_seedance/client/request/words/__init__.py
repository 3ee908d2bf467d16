"""What a request's fields are called, and the help that the form shows for each.

titles        what the fields are called, and errors that call them so
form_help     what each model takes, in sentences
form_prices   what each model costs, in sentences
"""
