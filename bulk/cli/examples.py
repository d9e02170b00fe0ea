"""Real examples of each verb, for its help; a test runs every one."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "check": (
        ("bulk check move.csv", "every problem of every row"),
        ("bulk check - --format csv < move.csv", "from standard input"),
        ("bulk check move.csv --output json", "for a pipeline"),
        ("bulk check --schema row > row.schema.json", "for an editor"),
    ),
    "plan": (
        ("bulk plan move.csv", "what would change, and who loses a port"),
        ("bulk plan move.csv --via local", "by a worker; elsewhere: tls://HOST:4222"),
        ("bulk plan move.csv --output html > plan.html", "the page to sign"),
        ("bulk plan move.csv --out move.plan", "saved, to be approved and applied"),
        ("bulk plan move.plan", "what moved since it was saved"),
    ),
    "apply": (
        ("bulk apply jobs/demo", "try it; nothing leaves this machine"),
        ("bulk apply move.plan", "exactly the plan that was approved"),
        ("bulk apply move.csv --canary 3 --max-failures 1%", "carefully"),
        ("bulk apply move.csv --yes", "without a question; again: it goes on"),
        ("bulk apply move.csv --retry failed", "what its finished run left wrong"),
    ),
    "status": (
        ("bulk status", "the latest run below this folder"),
        ("bulk status move.csv", "the latest run of a job"),
        ("bulk status move.csv --output json", "for a monitor"),
        ("bulk status move.csv --check", "its exit code, for a scheduler"),
    ),
    "schedule": (
        ("bulk schedule jobs/window --for systemd", "service and timer"),
        ("bulk schedule jobs/window --for kubernetes", "a CronJob"),
        ("bulk schedule jobs/window --for cron --out units", "script and crontab"),
    ),
    "watch": (
        ("bulk watch move.csv", "as it goes, until it has finished"),
        ("bulk watch move.csv --serve 8765", "as a page; others come by ssh -L"),
        ("bulk watch move.csv --output json", "one object a line, for a program"),
    ),
    "tell": (
        ("bulk tell move.csv", "what is in force, and who said so"),
        ('bulk tell move.csv pause --because "a call"', "send nothing new"),
        ("bulk tell move.csv unpause", "go on"),
        ("bulk tell move.csv rate 5/s", "go slower; rate auto: as before"),
        ("bulk tell move.csv stop", "end it; it stays stopped"),
    ),
    "worker": (
        ("bulk worker --connect tls://nats:4222 --serve cn-north-4", "one region"),
        ("bulk worker --connect tls://nats:4222 --region cn-north-4", "every profile"),
        ("bulk worker --connect tls://nats:4222", "each in its region"),
    ),
    "report": (
        ("bulk report move.csv", "what needs a person, and the totals"),
        ("bulk report move.csv --output html > run.html", "a page for the board"),
        ("bulk report move.csv --output md", "for a ticket"),
        ("bulk report move.csv --only failed --output csv > again.csv", "a job again"),
    ),
    "runs": (
        ("bulk runs", "those of all jobs below this folder"),
        ("bulk runs move.csv", "those of a job, and its rollbacks"),
        ("bulk runs move.csv --output csv > runs.csv", "for a spreadsheet"),
    ),
    "rollback": (
        ("bulk rollback move.csv", "what it would take back; sends nothing"),
        ("bulk rollback move.csv --out back.plan", "saved, for bulk apply back.plan"),
        ("bulk rollback move.csv --apply", "show, ask, send"),
    ),
    "rehearse": (
        ("bulk rehearse move.csv", "apply, kill, resume, rollback: on a copy"),
        ("bulk rehearse move.csv --limiter token:20/s", "in real time, under a limit"),
        ("bulk rehearse move.csv --output json", "for a pipeline"),
    ),
    "doctor": (
        ("bulk doctor --region cn-north-4", "one region"),
        ("bulk doctor --projects", "with every project by name and id"),
        ("bulk doctor --output json > doctor.json", "to ask for help with"),
    ),
    "export": (
        ("bulk export --region cn-north-4 > fleet.csv", "one project, to edit"),
        ("bulk export --all-projects --out all.csv", "the whole account"),
        ("bulk export --name 'web-*' --map 443=8443 > edit.csv", "the edit already made"),
        ("bulk export --port 443 --format wide > https.csv", "one service a line"),
    ),
    "audit": (
        ("bulk audit", "prove the latest run below this folder"),
        ("bulk audit move.csv", "the latest run of a job"),
        ("bulk audit move.csv --output json", "for a pipeline"),
    ),
    "why": (
        ("bulk why 4189d3c2", "the service whose id begins so"),
        ("bulk why move.csv web-a", "the one of this name, in a job"),
        ("bulk why move.csv 4189d3c2 --output json", "with every record"),
    ),
}


_COLUMN = 34
"""Where the meaning of an example begins, unless its command is longer."""


def lines(verb: str) -> list[str]:
    """Return the examples of a verb as lines that a shell takes: what each is for stands behind it."""
    return [f"{command:<{_COLUMN}}  # {meaning}" for command, meaning in EXAMPLES.get(verb, ())]
