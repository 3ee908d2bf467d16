"""What a Prefect run knows of itself and shows to people: its scope, its journal, its logs, events and pages."""
