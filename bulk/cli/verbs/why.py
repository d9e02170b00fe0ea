"""`bulk why`."""

from pathlib import Path

from bulk.cli import options, output
from bulk.cli.verbs.shared import choice
from bulk.core.errors import ExitCode


def why(
    ledger: options.LedgerPath, service_id: options.ServiceIdArgument, output_form: options.Output = "table"
) -> int:
    """Tell one service's whole story in order, with its waits and their reasons."""
    from bulk.app.auditing import find_service, records_of, story_of

    as_json = choice(output_form, "table", "json") == "json"
    path = Path(ledger)
    found = find_service(path, service_id)
    if as_json:
        output.write_json({"ledger": ledger, "service_id": found, "records": records_of(path, found)})
    else:
        output.show(story_of(path, found))
    return ExitCode.OK
