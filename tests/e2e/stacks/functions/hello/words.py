"""What the function says."""


def sentence(number):
    return f"{number} objects"
