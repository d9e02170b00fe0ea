"""`bulk audit`."""

from dataclasses import asdict

from bulk.cli import options, output
from bulk.cli.verbs.shared import ledger_of
from bulk.errors import ExitCode


def audit(run: options.Run = "", output_form: options.PlainOutput = options.PlainForm.TABLE) -> int:
    """Prove a ledger, offline: chain intact, every PUT had an intent, every row accounted for."""
    from bulk.app.auditing import audit_ledger
    from bulk.reports.words import Style, text
    from bulk.text import counted, printable

    path = ledger_of(run)
    audited = audit_ledger(path)
    if output_form is options.PlainForm.JSON:
        output.write_json({"ledger": str(path), "sound": audited.breach is None, **asdict(audited)})
    elif breach := audited.breach:
        output.show([text(printable(f"! {breach.promise} is broken: {breach.message}"), Style.BAD)])
        output.notify("do not use this ledger any more: restore it from a copy, or plan anew")
    else:
        output.show(
            text(printable(f"+ {proof.promise}: {proof.fact}"), Style.GOOD) for proof in audited.proofs
        )
    if audited.torn_bytes:
        output.notify(f"ignored an unfinished last line of {counted(audited.torn_bytes, 'byte')}")
    return ExitCode.CANNOT_RUN if audited.breach else ExitCode.OK
