"""The demo notices when an alert is missing, comes twice, or never ends."""

from demo.alerts import ROWS, complaints


def everything() -> tuple[list[dict], list[dict]]:
    """What the inbox has when all is well, and the ledger of it."""
    received, ledger = [], []
    for number, row in enumerate(ROWS):
        for channel in sorted(row.told):
            key = "" if channel == "slack" else row.rule
            is_known = any(one["rule"] == row.rule and one["channel"] == channel for one in received)
            for one in ["upgraded"] if is_known else ["opened", "closed"]:
                received.append(
                    {
                        "at_s": number,
                        "channel": channel,
                        "state": one,
                        "severity": row.severity,
                        "rule": row.rule,
                        "title": row.name,
                        "key": key,
                    }
                )
                ledger.append({"incident_id": row.rule, "channel": channel, "reason": f"{one} {row.name}"})
    return received, ledger


def test_all_is_well_when_everything_arrived_once():
    assert complaints(*everything()) == []


def test_a_message_that_is_lost_is_missed():
    received, ledger = everything()

    lost = received.pop(0)

    assert f"{ROWS[0].name}: {lost['channel']} heard nothing of it." in complaints(received, ledger)


def test_an_end_that_nobody_heard_of_is_missed():
    received, ledger = everything()

    found = complaints([one for one in received if (one["rule"], one["state"]) != ("slow", "closed")], ledger)

    assert "slow: nobody heard of its end." in found
    assert "webhook was not told of an end: slow." in found


def test_a_message_that_came_twice_is_noticed_on_every_channel():
    for one in everything()[0]:
        received, ledger = everything()
        assert any("messages" in complaint for complaint in complaints([*received, one], ledger)), one


def test_a_change_that_was_queued_twice_is_noticed():
    received, ledger = everything()

    assert any("Queued 2 times" in one for one in complaints([*received, received[0]], [*ledger, ledger[0]]))


def test_an_alert_of_another_rule_is_noticed():
    received, ledger = everything()
    other = {**received[0], "channel": "slack", "rule": "disk is full", "title": "the disk is full"}

    assert "slack was told of something else: the disk is full." in complaints(
        [*received, other], [*ledger, {"incident_id": "x", "channel": "slack", "reason": "opened"}]
    )
