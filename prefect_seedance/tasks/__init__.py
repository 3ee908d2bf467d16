"""Units of work with Prefect retries and caching."""
