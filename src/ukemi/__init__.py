"""Ukemi: error tracking and alerting for FastAPI teams."""
