"""The vendor's API: httpx and pydantic, no Prefect, no AWS."""
