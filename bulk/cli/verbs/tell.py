"""`bulk tell`."""

from bulk.cli import options, output
from bulk.cli.verbs.shared import environment, ledger_of
from bulk.errors import ExitCode


def tell(
    run_and_command: options.RunAndCommand,
    because: options.Because = "",
    output_form: options.PlainOutput = options.PlainForm.TABLE,
) -> int:
    """Pause, slow down or stop a run at work; without a command, show what is in force and by whom."""
    from bulk.app import telling
    from bulk.cli import running

    run, *words = run_and_command
    asks = telling.asked(tuple(words)) if words else None
    here, path = environment({}, can_ask=False), ledger_of(run)
    if asks is None:
        lines = list(telling.in_force(path, here))
        if output_form is options.PlainForm.JSON:
            output.write_json({"ledger": str(path), "in_force": lines})
        else:
            output.write([f"{line}\n" for line in lines])
        return ExitCode.OK
    reply = running.run(telling.tell(path, asks, because, here))
    if output_form is options.PlainForm.JSON:
        output.write_json(
            {
                "ledger": str(path),
                "id": reply.id,
                "answer": reply.decision.what if reply.decision else None,
                "message": reply.message,
            }
        )
    else:
        output.write([f"{reply.message}\n"])
    return reply.exit_code
