"""Counts the objects that an event tells of."""

from words import sentence


def count(event, context):
    return sentence(len(event.get("Records", [])))
