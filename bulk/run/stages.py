"""Where the rows of a run stand, the moves between these places, and what a move asks of the world.

Places and moves
================

Each row stands at one place, which is one byte. A row that has begun has a `Work` besides (`row.py`).

=========  ==================================  ============================================================
Place      Meaning                             Leaves by -> to
=========  ==================================  ============================================================
UNSEEN     not looked at in this session       look: as planned -> READY; moved or kept -> DONE, ENDED;
                                               refused by the plan -> ENDED; moved, strict run -> LEFT
READY      may go when a grant comes           granted, every gate open -> NOTED (append the intent);
                                               a predecessor is on its way -> WAITS, was left -> LEFT,
                                               ended otherwise -> ENDED (blocked), or RESTORE where parked;
                                               its look has expired -> LOOKING (show)
WAITS      for one predecessor                 that one ends, is parked or is left -> READY
LOOKING    looked at again, before its PUT     as planned -> READY; moved, gone, as asked -> ENDED, DONE;
                                               unreadable, or a stop -> LEFT
NOTED      its intent is on its way to disk    durable -> FLYING (send); stopped meanwhile -> LEFT, its look
                                               expired meanwhile -> LOOKING (attempt `not_sent`)
FLYING     its PUT is under way                as asked -> DONE; PARK: READY; RESTORE: ENDED
                                               (failed after its own last PUT was given up, else blocked)
                                               perhaps applied -> SETTLING (attempt `doubt`)
                                               (the reply shows otherwise, or a broken service: so too)
                                               throttled, retry -> READY, RESTING; out of tries -> ENDED,
                                               or READY with RESTORE due; rejected -> ENDED, but a row
                                               that is to be parked is read first: SETTLING
                                               denied: as rejected; DENIED while no PUT of its key was
                                               accepted; abort -> LEFT, and every lane of that key is
                                               cut; perhaps applied, and the API asks to be left alone
                                               for too long -> LEFT
SETTLING   perhaps applied, too soon to read   due -> READING (show); the end of `drain_s` -> LEFT
READING    perhaps applied, being read         as asked -> as FLYING; as before -> READY, RESTING;
                                               not available -> SETTLING, for a minute at most;
                                               as asked, without fields that the list shows and this lane
                                               has never proved -> PROVING (show, by a page of the list);
                                               else, gone -> ENDED (conflict); unreadable -> LEFT;
                                               as before and rejected -> ENDED, or READY to RESTORE
PROVING    read as asked, but not as a whole   the page shows the rest, or cannot -> as READING
RESTING    surely not applied, backs off       due -> READY; a stop that does not spare it -> LEFT
DENIED     not allowed (403), and no PUT of    one is, or nothing else goes -> as rejected; a third one is
           its key has been accepted yet       denied: every lane of that key is cut -> LEFT; a stop -> LEFT
LEFT       nothing more in this session        never
DONE       ended as asked                      the last list shows something else -> SUSPECT
ENDED      ended otherwise                     a failed one that the last list shows changed -> SUSPECT
SUSPECT    ended, the last list disagrees      due -> CHECKING (show)
CHECKING   ended, being read once more         as asked -> DONE (failed: becomes applied; what nobody
                                               asked for stops the run); failed, as
                                               before -> ENDED; not available -> SUSPECT, for a minute
                                               at most; else, unreadable -> ENDED (conflict)
=========  ==================================  ============================================================

A row's PUTs are PARK, CHANGE, RESTORE, in this order. CHANGE alone where nothing is parked. Where the API
says no to a RESTORE, since another row has the ports, CHANGE is tried once more; there is no way back then.

Gates
=====

Asked for the head of a lane's queue when a place in flight is free, and again at the grant, in this order:

1. the lane is cut: never; 2. the run is stopped: only rows that a parked service waits for (must-finish);
3. a whole look is needed (strict, waves: of every lane; parking: of this lane): hold;
4. the first PUT of its target is unanswered, or that of its key for less than 5 s, or what a reply did not
show is being proved: hold;
5. it is of a later wave than the one under way: hold;
6. nobody answers in this lane, and the row has not begun: hold; 7. whether the key may do anything at all is
being asked: hold; 8. a parked service waits for it: it goes; 9. a person has paused the run: hold; 10. as
many as may fail have failed, or may still fail (`AT_RISK`, parked, left in doubt): hold. Where only what is
left could free this budget, the run stops. 8 to 10 are asked again once the intent is durable.

A person's rate is no gate: it is a ceiling of each lane's pace (`Cap`), besides that of the job. A pause and
a rate are what the decisions on record say, so that they hold in every session until another word. The
decision is written down before anything else is done for it.

A look expires after `max_look_age_s`, and at a gap: the loop did not turn, or the wall clock jumped, for more
than 2 s. This is asked at the grant and again once the intent is durable. Looks are renewed shortly before
the rows' turn, by one page of the list where it shows several of them: rows go in the order of the list. A
page only confirms; a row that it shows otherwise, or not at all, is looked at by itself (LOOKING), a few rows
ahead. A grant waits for the look, or the page, that it needs.

A row that is *held* keeps its place in the queue, and all behind it wait. A row that can *never* go is taken
out of the queue. Each hold ends by something that is under way, or by the end of the lane.

A success that does not show every field that the list shows, or that cannot be read, proves nothing. Its row
is read, and by a page of the list where reading does not show them either; until then no other row of the
lane goes. Once the fields were found as they had been, the lane knows that replies without them are no sign
of trouble: of later rows the last look judges them, and it stops the run for what it finds.

Waves
=====

Before a run in waves sends anything, every lane is looked at, and each row that is sent, or was, gets the
number of its wave: none a later one than a row that waits for it. Once no row of the wave under way can come
to anything more, it is judged. All are DONE: it soaks, where that is asked for, and its passing is on record
before the next one begins. Some ENDED otherwise: the run stops, for good. Some LEFT: nothing can be said, and
the run stops for this session. The last wave is followed by none and not judged.

Where the job has a judge, a wave of which all are DONE passes only by its word (`AskJudge`, `ruled`); so does
wave 0, which has no rows and stands before the first PUT. *Stop* stops the run, for good. *Unsure* is asked
again for a while; then the wave waits for a person's go, and stops the run where nobody comes. While the
judge is asked nothing begins, since every row of the wave has come to its end.

In a strict run the rows of a wave that follows a ruling are looked at again before any of them begins, and
one that moved stops the run.

Stops
=====

A *stop* is the whole run's: nothing begins but must-finish rows. A *cut* is one lane's, or that of all lanes
of one key: nothing at all is sent there any more, since nothing can be (nobody there, key refused, fleet
unreadable, the API asks to be left alone for too long). Rows in flight are answered, doubts are read,
whatever the stop. After a signal this has an end: what is under way once `drain_s` is over is left as its
records say.

What a session knows at its beginning
=====================================

=========================================  ==============================================================
Last records of a row                      Place, besides
=========================================  ==============================================================
change                                     UNSEEN; refused by the plan: ENDED (strict: after the look)
intent, or intent and `doubt`              SETTLING, the whole settle time; a PARK: its must-finish rows
throttled, denied, … (surely not applied)  UNSEEN with attempts and tries
parked                                     UNSEEN, CHANGE due, its must-finish rows
rejected, or tries used up, while parked   UNSEEN, RESTORE due, its must-finish rows; after a rejected
                                           RESTORE: CHANGE due
outcome                                    DONE or ENDED
=========================================  ==============================================================

All else is computed anew. Of a lane nothing is kept: cut, silence, size, first PUT are found out again. What
failed in earlier sessions counts, and a PUT of a key that was accepted in one of them.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from bulk.ledger.records import Record, Ruling
from bulk.ledger.stops import BrakeReason
from bulk.model import Change, LaneName, SideEffect, Target
from bulk.puts import Put
from bulk.run.looks import ListPage


class Place(IntEnum):
    """Where a row stands in this session; the last three of the list come after all that is under way."""

    UNSEEN = 0
    READY = 1
    WAITS = 2
    LOOKING = 3
    NOTED = 4
    FLYING = 5
    SETTLING = 6
    READING = 7
    PROVING = 8
    RESTING = 9
    DENIED = 10
    SUSPECT = 11
    CHECKING = 12
    LEFT = 13
    DONE = 14
    ENDED = 15


MOVES: dict[Place, set[Place]] = {
    Place.UNSEEN: {Place.READY, Place.SETTLING, Place.LEFT, Place.DONE, Place.ENDED},
    Place.READY: {Place.NOTED, Place.WAITS, Place.LOOKING, Place.LEFT, Place.ENDED},
    Place.WAITS: {Place.READY, Place.LEFT},
    Place.LOOKING: {Place.READY, Place.LEFT, Place.DONE, Place.ENDED},
    Place.NOTED: {Place.FLYING, Place.LOOKING, Place.LEFT},
    Place.FLYING: {
        Place.READY,
        Place.SETTLING,
        Place.RESTING,
        Place.DENIED,
        Place.LEFT,
        Place.DONE,
        Place.ENDED,
    },
    Place.SETTLING: {Place.READING, Place.LEFT},
    Place.READING: {
        Place.SETTLING,
        Place.PROVING,
        Place.READY,
        Place.RESTING,
        Place.LEFT,
        Place.DONE,
        Place.ENDED,
    },
    Place.PROVING: {Place.READY, Place.LEFT, Place.DONE, Place.ENDED},
    Place.RESTING: {Place.READY, Place.LEFT},
    Place.DENIED: {Place.LEFT, Place.ENDED},
    Place.SUSPECT: {Place.CHECKING, Place.DONE, Place.ENDED},
    Place.CHECKING: {Place.SUSPECT, Place.DONE, Place.ENDED},
    Place.LEFT: set(),
    Place.DONE: {Place.SUSPECT},
    Place.ENDED: {Place.SUSPECT},
}
IN_FLIGHT = frozenset({Place.NOTED, Place.FLYING})
"""Places that take up one of a lane's requests at a time."""
IN_DOUBT = frozenset({Place.SETTLING, Place.READING, Place.PROVING})
"""Places of a row whose PUT was answered, or not, in a way that does not prove what became of it."""
AT_RISK = IN_FLIGHT | IN_DOUBT | {Place.DENIED}
"""Places of a row that may still fail, or be in conflict, without being sent once more."""
CHECKED = frozenset({Place.SUSPECT, Place.CHECKING})
"""Places of a row that has ended and is read once more, since the last list disagrees."""
BUSY = IN_FLIGHT | IN_DOUBT | CHECKED | {Place.LOOKING, Place.RESTING}
"""Places that are left by themselves: something is under way, or a wait comes due."""


class Stop(NamedTuple):
    """Why nothing new begins."""

    reason: BrakeReason
    message: str
    effects: tuple[SideEffect, ...] = ()
    """What PUTs changed unasked, where that is the reason."""
    wave: int | None = None
    """The wave that did not pass, where that is the reason."""
    ruling: Ruling | None = None
    """What the judge says, where that is the reason."""


class Append(NamedTuple):
    """Write a record down, after those before it."""

    record: Record
    sends: int = 0
    """The row whose `durable` is to be called once the record is on disk; 0 for none."""


class Send(NamedTuple):
    """Send a PUT; `answered` comes back."""

    put: Put


class Show(NamedTuple):
    """Read the service of a row; `shown` comes back."""

    change: Change
    page: ListPage | None = None
    """The page of the list to read it by; None for the request of its own."""


class Renew(NamedTuple):
    """Read a page of the list again; `renewed` comes back, whatever becomes of it."""

    lane: LaneName
    page: ListPage


class Look(NamedTuple):
    """Look again, by the whole list, at the rows of a lane that may begin now; `look.ended` comes back."""

    lane: LaneName


class Probe(NamedTuple):
    """Ask with one list whether the key of a target may do anything at all; `probed` comes back."""

    target: Target


class WaitFor(NamedTuple):
    """Call `due` so many seconds later; a wait that is no longer wanted does no harm."""

    row: int
    """A row; or, for a wave that soaks or is judged again, 0 minus its number."""
    wait_s: float


class AskJudge(NamedTuple):
    """Ask the judge about a wave, of which these are the rows; `ruled` comes back."""

    wave: int
    rows: Sequence[int]


class Cap(NamedTuple):
    """Let no more PUTs a second than this leave in any lane; infinity: as many as the job allows."""

    most_per_s: float


Effect: TypeAlias = Append | Send | Show | Renew | Look | Probe | WaitFor | Cap | AskJudge
