"""Counts the objects that an event names."""

from words import sentence


def count(event, context):
    return sentence(len(event.get("Records", [])))
