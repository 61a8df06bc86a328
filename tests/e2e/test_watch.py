"""What agents report reaches their log groups, as CloudWatch makes metrics of it."""

import json
import os
import signal

from account import client

AGENTS = ["producer", "stream", "shipper", "batch"]
# What each reports besides its signs of life and its errors.
OWN = {
    "producer": {"Records"},
    "stream": {"Records", "DeadLetters", "Quarantined", "Lag", "LagSeconds"},
    "shipper": {"Records", "DeadLetters", "Lag", "LagSeconds"},
    "batch": {"FailedRuns", "FreshnessSeconds"},
}


def reports(logs, agent):
    """The reports of an agent, oldest first, each checked for CloudWatch's embedded metric format."""
    events = logs.filter_log_events(logGroupName=f"/lakewright/shop/{agent}", logStreamNamePrefix="reports-")["events"]
    found = []
    for event in events:
        line = json.loads(event["message"])
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert (directive["Namespace"], directive["Dimensions"]) == ("Lakewright", [["Agent", "Stack"]])
        assert abs(line["_aws"]["Timestamp"] - event["timestamp"]) < 1000
        assert (line["Agent"], line["Stack"]) == (agent, "shop")
        found.append({metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]})
    return found


def test_agents_report_what_they_do(make_up):
    up = make_up()
    text = up.stack.read_text()
    if "[alarms]" not in text:
        up.stack.write_text(text + '\n[alarms]\nemail = ["ops@example.com"]\n')
    up.start()
    up.wait("the first rows", lambda: up.scalar("SELECT count(*) AS n FROM shop_raw.sales") > 20)
    logs = client(up.record()["account"], "logs")
    for agent in AGENTS:
        up.wait(f"the first report of {agent}", lambda: reports(logs, agent))
    # An agent that is asked to end reports once more what it did.
    for child in up.record()["children"]:
        if any(child["name"].startswith(f"{agent} on ") for agent in AGENTS):
            os.kill(child["pid"], signal.SIGTERM)
    for agent in AGENTS:
        up.wait(f"the last report of {agent}", lambda: len(reports(logs, agent)) > 1)
        told = reports(logs, agent)
        # The first comes before the agent has counted anything.
        assert set(told[0]) >= {"Heartbeat", "Errors"}, told
        assert all(report["Heartbeat"] == 1 for report in told)
    for agent in ("producer", "stream", "shipper"):
        up.wait(f"records of {agent}", lambda: sum(report.get("Records", 0) for report in reports(logs, agent)) > 0)
    for agent in AGENTS:
        assert set().union(*reports(logs, agent)) == {"Heartbeat", "Errors"} | OWN[agent], agent
    # A restart goes on in the same stream.
    streams = logs.describe_log_streams(logGroupName="/lakewright/shop/producer", logStreamNamePrefix="reports-")
    assert len(streams["logStreams"]) == 1
    assert up.stop() == 0, up.log()
