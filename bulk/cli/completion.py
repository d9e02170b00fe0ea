"""What a shell offers behind a flag, where the type of its value does not say; whatever fails offers nothing.

Values of a closed set are offered by Typer, and paths by the shell itself.
"""

import os

from bulk.errors import BulkError


def regions(incomplete: str) -> list[str]:
    """Return the known regions, also behind others and a comma."""
    from bulk.vpcep.editions import REGIONS

    before, comma, _ = incomplete.rpartition(",")
    return [f"{before}{comma}{region}" for region in sorted(REGIONS)]


def profiles(incomplete: str) -> list[str]:  # noqa: ARG001 - Typer leaves out what does not begin so
    """Return the sections of the credentials file."""
    from bulk.app.environment import system
    from bulk.vpcep.credentials import profiles_of

    try:
        return profiles_of(env=os.environ, home=system().home)
    except (BulkError, OSError):
        return []


def places(incomplete: str) -> list[str]:
    """Return the known regions; behind one and a slash the sections of the credentials file."""
    region, slash, _ = incomplete.partition("/")
    return [f"{region}/{profile}" for profile in profiles("")] if slash else regions("")


OF_SETTINGS = {"region": regions, "profile": profiles}
"""What is offered for the flag of a setting."""
