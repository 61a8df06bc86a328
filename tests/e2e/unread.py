"""Holds what requests write against what a sweep reads: see `written`."""

import functools
import re

from members import carried, exists
from written import REASONS, TABLE

# Operations that change nothing, and those that take something away: what is gone, a sweep misses.
READS = re.compile("(Get|Describe|List|BatchGet|Head)[A-Z]")
TAKES_AWAY = re.compile(
    "(Delete|Remove|Revoke|Detach|Disassociate|BatchDisassociate|Deregister|Release|Unsubscribe|Untag|AbortMultipart"
    "|ScheduleKeyDeletion)"
)
# Operations and members that write tags, by which the sweep finds what is the stack's.
TAGS = re.compile("(AddTags|Tag[A-Z]|CreateTags|CreateOrUpdateTags|ChangeTagsForResource|PutBucketTagging)")
TAG_MEMBERS = re.compile(r"(Tags|tags|ResourceTags|TagSpecifications|CreateBucketConfiguration\.Tags)(\.|$)")
# What S3's client says of every bucket, whatever the call.
OF_EVERY_CALL = {("s3", "ExpectedBucketOwner")}
# The key that signs records is no resource: a plan reads its public half, and nothing else of it matters.
RECORDS = re.compile("ECC_NIST_P256|alias/lakewright/")
# Operations that start and stop what is there.
RUNS = {"StartApplication", "StopApplication", "CancelJobRun", "RestoreSecret", "StartInstanceRefresh", "ResumeProcesses"}


@functools.cache
def table():
    """Operations to members, each with its reason or with where it is read: a service, an operation and a path in its output."""
    found, members = {}, {}
    for line in re.sub(r"\n {8}", " ", TABLE.strip()).splitlines():
        if not line.startswith(" "):
            service, *operations = line.split()
            members = {}
            for operation in operations:
                assert (service, operation) not in found, f"{service} {operation} stands twice in written.py"
                found[service, operation] = members
            continue
        left, arrow, right = line.strip().partition(" -> ")
        if not arrow:
            names, _, reason = left.partition(": ")
            assert reason in REASONS, f"{line.strip()}: {reason} is no word of REASONS in written.py"
            members.update(dict.fromkeys(names.split(), reason))
            continue
        elsewhere, _, read = right.rpartition(":")
        prefix, _, names = left.rstrip("]").partition(" [")
        for name in names.split() or [""]:
            member = ".".join(part for part in (prefix.strip("."), name) if part)
            operation_read, *path = ".".join(part for part in (read, name) if part).split(".")
            assert exists(elsewhere or service, operation_read, path), f"{service} {member}: {right} has no {name}"
            members[member] = (elsewhere or service, operation_read, path)
    return found


def unread(requests, sweep):
    """What requests write that no sweep reads, one sentence each; `sweep` are the requests of a plan of what they made."""
    asked = {carried(*request)[:2] for request in sweep}
    problems = set()
    for request in requests:
        service, operation, members = carried(*request)
        if RECORDS.search(str(request)):
            continue
        if operation in RUNS or any(kind.match(operation) for kind in (READS, TAKES_AWAY, TAGS)):
            continue
        known = table().get((service, operation), {})
        members = {member for member in members if (service, member) not in OF_EVERY_CALL}
        for member in sorted(member for member in members if not TAG_MEMBERS.match(member)):
            where = known.get(member)
            if where is None:
                problems.add(
                    f"{service} {operation} writes {member}, of which TABLE in written.py says nothing: make `find` of "
                    f"the kind read it, as a field of the spec or as a departure, and write there whose answer has it"
                )
            elif isinstance(where, tuple) and where[:2] not in asked:
                problems.add(
                    f"{service} {operation} writes {member}, which {where[0]} {where[1]} reads by TABLE in written.py, and "
                    f"no plan asked so: correct the table, or make `find` of the kind ask"
                )
    return problems
