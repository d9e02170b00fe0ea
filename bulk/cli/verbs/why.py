"""`bulk why`."""

from pathlib import Path

from bulk.cli import options, output
from bulk.core.errors import ExitCode


def why(
    ledger: options.LedgerPath,
    service_id: options.ServiceIdArgument,
    output_form: options.PlainOutput = options.PlainForm.TABLE,
) -> int:
    """Show what happened to one service, in order, with its waits and their reasons."""
    from bulk.app.auditing import find_service, records_of, story_of

    path = Path(ledger)
    found = find_service(path, service_id)
    if output_form is options.PlainForm.JSON:
        output.write_json({"ledger": ledger, "service_id": found, "records": records_of(path, found)})
    else:
        output.show(story_of(path, found))
    return ExitCode.OK
