"""`bulk why`."""

from bulk.cli import options, output
from bulk.cli.verbs.shared import ledger_of
from bulk.errors import ExitCode, UsageError


def why(
    run_and_service: options.RunAndService,
    output_form: options.PlainOutput = options.PlainForm.TABLE,
) -> int:
    """Show what happened to one service, in order, with its waits and their reasons."""
    from bulk.app.auditing import find_service, records_of, story_of

    *run, service_id = run_and_service
    if len(run) > 1:
        raise UsageError(f"{len(run_and_service)} arguments", hint="write `bulk why RUN SERVICE`")
    path = ledger_of("".join(run))
    found = find_service(path, service_id)
    if output_form is options.PlainForm.JSON:
        output.write_json({"ledger": str(path), "service_id": found, "records": records_of(path, found)})
    else:
        output.show(story_of(path, found, output.zone()))
    return ExitCode.OK
