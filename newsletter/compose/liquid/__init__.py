"""Liquid in Jekyll posts."""
