"""What somebody can be notified of, and in which form: the words of `[notify.NAME]`."""

from enum import StrEnum

from bulk.model import value


class BotForm(StrEnum):
    """What a webhook takes, where it is no topic of SMN."""

    FEISHU = "feishu"
    DINGTALK = "dingtalk"
    WECOM = "wecom"
    JSON = "json"


SIGNED = frozenset({BotForm.FEISHU, BotForm.DINGTALK})
"""The bots that may want each message signed."""


class Event(StrEnum):
    """What somebody can be notified of."""

    PERSON = "person"
    """Somebody must act."""
    END = "end"
    START = "start"
    WAVE = "wave"
    HOLD = "hold"
    WINDOW = "window"


@value
class Events:
    """The events of which somebody is notified."""

    members: frozenset[Event]

    def __str__(self) -> str:
        """Return the written form: `person,end`."""
        return ",".join(each for each in Event if each in self.members)


BY_DEFAULT = Events(members=frozenset({Event.PERSON, Event.END}))
