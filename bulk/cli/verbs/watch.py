"""`bulk watch`."""

from bulk.cli import options
from bulk.cli.verbs.shared import environment, ledger_of
from bulk.errors import ExitCode, UsageError


def watch(
    run: options.Run = "",
    serve: options.Serve = "",
    host_name: options.HostNames = None,
    output_form: options.PlainOutput = options.PlainForm.TABLE,
) -> int:
    """Show a run as it goes, from its ledger alone, until it has finished; on a terminal, or as a page."""
    from bulk.app.watching import Watch
    from bulk.cli import running, watch_output

    if host_name and not serve:
        raise UsageError("--host-name is of a page, and --serve is not given", hint="add --serve PORT")
    here, path = environment({}, can_ask=False), ledger_of(run)
    if serve:
        from bulk.app.watch_server import address_of

        address, anywhere = address_of(serve), str(path.absolute())
        served = Watch(path, here, run=anywhere, ledger=anywhere)  # its reader is in another folder
        running.run(watch_output.serve(served, address, tuple(host_name or ())))
    else:
        is_json = output_form is options.PlainForm.JSON
        running.run(watch_output.show(Watch(path, here, run=run), json=is_json))
    return ExitCode.OK
