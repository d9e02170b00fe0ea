"""Where a plan does what it does: the hosts that are asked, the account, the projects by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bulk.ledger.progress import Progress
from bulk.ledger.records import owners_of, target_of
from bulk.model import LaneName, Owner, Target
from bulk.settings import SIMULATOR
from bulk.settings.forms import LOCAL_WORKERS
from bulk.text import counted, figure
from bulk.vpcep.editions import operator_of

NAMED_MAX = 3
"""Hosts or regions that a sentence names; of more it says how many."""
_LOOPBACK = ("127.", "localhost", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The targets of a plan, each with the host that is asked and what is known of whose it is."""

    hosts: Mapping[Target, str]
    owners: Mapping[Target, Owner]
    via: str = ""
    """NATS, over which workers get the requests; empty where they leave from here."""
    workers: tuple[str, ...] = ()
    """The hosts of the workers that a plan was made through, or that are about to be asked."""

    @property
    def is_simulator(self) -> bool:
        """Return whether it is the simulator that the command starts itself."""
        return set(self.hosts.values()) == {SIMULATOR}

    @property
    def every_host(self) -> tuple[str, ...]:
        """Return the hosts that a run asks: those of the API, and IAM where it needs tokens."""
        iam = {owner.iam for owner in self.owners.values() if owner.iam}
        return (*dict.fromkeys(filter(None, self.hosts.values())), *sorted(iam))

    @property
    def account(self) -> str:
        """Return `account 0a1b…`, `the key that ends in 0001`, or several of them; empty where unknown."""
        return " and ".join(dict.fromkeys(filter(None, map(_account, self.owners.values()))))

    @property
    def hosts_text(self) -> str:
        """Return the hosts in a sentence."""
        if self.is_simulator:
            return "the bundled simulator"
        return _enumerated([host_text(host) for host in self.every_host], "host")

    @property
    def through(self) -> str:
        """Return who signs and sends the requests, and over what; empty where they leave from here."""
        if not self.via:
            return ""
        if self.via == LOCAL_WORKERS:
            return f"a worker on this machine (via = {LOCAL_WORKERS})"
        over = f"over {self.via}"
        if not self.workers:
            return f"workers {over}"
        noun = "the worker" if len(self.workers) == 1 else "workers"
        return f"{noun} on {_enumerated(list(self.workers), 'host')}, {over}"

    @property
    def facts(self) -> tuple[str, ...]:
        """Return the hosts, the account and who sends the requests, as far as known."""
        through = f"through {self.through}" if self.via else ""
        return tuple(filter(None, (self.hosts_text, self.account, through)))

    def lane(self, target: Target) -> LaneName:
        """Return the lane of a target, as far as the plan shows it: a session may know the account better."""
        account = self.owners.get(target, Owner()).name(target.profile)
        return LaneName(host=self.hosts.get(target, ""), region=target.region, account=account)

    def project(self, target: Target) -> str:
        """Return the name of a target's project, or its id where the name is not known."""
        owner = self.owners.get(target)
        return (owner.project if owner else "") or target.project_id or "the project of the region"

    def place(self, targets: Mapping[Target, int]) -> str:
        """Return `cn-north-4`, or `2 projects of cn-north-4`, or `6 projects of 3 regions`."""
        regions = list(dict.fromkeys(target.region for target in targets))
        region = regions[0] if len(regions) == 1 else counted(len(regions), "region")
        if len(targets) == 1:
            [target] = targets
            name = self.project(target)
            return name if name.startswith(target.region) else f"{target.region}, project {name}"
        return f"{counted(len(targets), 'project')} of {region}"

    def regions(self, targets: Mapping[Target, int]) -> str:
        """Return the regions of targets, or how many they are."""
        regions = list(dict.fromkeys(target.region for target in targets))
        return _enumerated(regions, "region") if regions else "no region"

    def projects(self, targets: Mapping[Target, int], noun: str) -> list[str]:
        """Return `cn-north-4 (148 services)` for each target, those of one region side by side.

        A project whose name does not tell its region has that in front.
        """
        texts: list[str] = []
        for target, number in targets.items():
            name = self.project(target)
            shown = name if name.startswith(target.region) else f"{target.region} {name}"
            shown = f"{target.profile}@{shown}" if target.profile else shown
            texts.append(f"{shown} ({figure(number) if texts else counted(number, noun)})")
        return texts

    def question(
        self,
        targets: Mapping[Target, int],
        changes: int,
        *,
        consumers: int,
        goes_on: bool,
        ticket: str = "",
        judge: str = "",
    ) -> str:
        """Return what a person is asked before the first PUT: how many, where, for what, who judges it."""
        verb = "Go on with" if goes_on else "Change"
        account = f", {self.account}" if self.account and not self.is_simulator else ""
        through = f", through {self.through}" if self.via else ""
        at = "on" if self.is_simulator else "at"
        place = f"{self.place(targets)} {at} {self.hosts_text}{account}{through}"
        what = f"{verb} {counted(changes, 'service')} in {place}{f', ticket {ticket}' if ticket else ''}?"
        if consumers:
            what += f" {counted(consumers, 'consumer')} {'loses' if consumers == 1 else 'lose'} a port."
        return f"{what} {judge} is its judge." if judge else what


def where_of(progress: Progress) -> Where:
    """Return where a ledger's plan does what it does, as far as the ledger says.

    Workers come and go while it is done: once a session has begun, its notes name them.
    """
    listed = progress.run.get("targets", ())
    targets = [target_of(json) for json in listed]
    hosts = {target: json.get("host", "") for target, json in zip(targets, listed, strict=True)}
    owners, sessions = owners_of(progress.run, progress.planned or {}), progress.sessions
    settings = sessions[-1]["settings"] if sessions else progress.run.get("options", {})
    workers = () if sessions else workers_of(owners.values())
    return Where(hosts=hosts, owners=owners, via=settings.get("via", ""), workers=workers)


def workers_of(owners: Iterable[Owner]) -> tuple[str, ...]:
    """Return the hosts of the workers of owners, each once."""
    return tuple(dict.fromkeys(owner.worker for owner in owners if owner.worker))


def host_text(host: str) -> str:
    """Return a host as a person reads it, and whether it is known by pattern only."""
    if host.startswith(_LOOPBACK):
        return f"{host} (this machine)"
    edition = operator_of(host)
    return host if edition is None or edition.is_documented else f"{host} (known by pattern only)"


def _account(owner: Owner) -> str:
    if owner.account:
        return f"account {owner.account}"
    return f"the key that ends in {owner.key}" if owner.key else ""


def _enumerated(names: list[str], noun: str) -> str:
    if len(names) > NAMED_MAX:
        return counted(len(names), noun)
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else f"an unknown {noun}"
