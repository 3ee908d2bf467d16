"""Tests of the vendor's API client."""
