"""The promises of prefect-seedance, as tests: against real local servers, never against the vendor."""
