"""Tests of who may do what, what is written down, and what strangers cannot see."""
