"""Chains of tasks: what a user runs or deploys."""
