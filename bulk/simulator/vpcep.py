"""The VPCEP operations: what each request does, from call to answer. No socket in here.

`Vpcep.answer` does one request at one moment. Each change goes to the journal before the answer is returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never
from urllib.parse import parse_qsl

from . import rules, wire
from .calls import Answer, Applied, Call, Journal, ListQuery, Operation, json_object
from .errors import Refusal, vpcep
from .fleet import Fleet, PortMapping, Service, Status
from .lines import derived_id, domain_id
from .projects import Projects
from .switches import OffsetPastEnd, Switches

ENDPOINTS_QUOTA = 50


@dataclass(slots=True, kw_only=True)
class Vpcep:
    """The service as a whole: the fleet, its projects, the switches, and who keeps the books."""

    fleet: Fleet
    projects: Projects
    journal: Journal
    switches: Switches = field(default_factory=Switches)
    applied_count: int = 0
    _created_count: int = 0

    def answer(self, call: Call, now_s: float) -> Answer | Refusal:
        """Do what the call asks at this moment and return the success or the refusal."""
        self.settle(now_s)
        refusal = self._forbidden(call)
        if refusal is not None:
            return refusal
        return self._performed(call, now_s)

    def _performed(self, call: Call, now_s: float) -> Answer | Refusal:
        match call.operation:
            case Operation.LIST:
                answer = self._list(call, now_s)
            case Operation.DETAIL:
                answer = self._detail(call, now_s)
            case Operation.MODIFY | Operation.RENAME:
                answer = self._modify(call, now_s)
            case Operation.CREATE:
                answer = self._create(call, now_s)
            case Operation.DELETE:
                answer = self._delete(call, now_s)
            case Operation.QUOTAS:
                answer = self._quotas(call)
            case _:
                assert_never(call.operation)
        return answer

    def settle(self, now_s: float) -> None:
        """Let due transitions happen and write them down."""
        for service_id in self.fleet.settle(now_s):
            self.journal.changed(service_id, self.fleet.get(service_id))

    def _forbidden(self, call: Call) -> Refusal | None:
        if not rules.PROJECT_ID.fullmatch(call.project_id):
            return vpcep("0014")
        if call.project_id in self.switches.closed_projects or not self.projects.knows(call.project_id):
            return vpcep("0004")
        if call.service_id and not rules.UUID.fullmatch(call.service_id):
            return vpcep("3062")
        return None

    def _find(self, call: Call) -> Service | Refusal:
        service = self.fleet.get(call.service_id)
        if service is None or service.project_id != call.project_id:
            return vpcep("2003" if self.switches.missing_service_http == 400 else "0005")
        return service

    def _list(self, call: Call, now_s: float) -> Answer | Refusal:
        query = ListQuery.read(call.query)
        if isinstance(query, Refusal):
            return query
        services = self._filtered(query, call.project_id, now_s)
        total = len(services)
        if query.offset >= total > 0 and self.switches.offset_past_end is OffsetPastEnd.REJECT:
            return vpcep("0010", f"There are {total}.")
        start = query.offset
        if query.is_descending:
            page = services[max(0, total - start - query.limit) : max(0, total - start)][::-1]
        else:
            page = services[start : start + query.limit]
        entries = [wire.list_entry(service, self.switches) for service in page]
        return Answer(value={"endpoint_services": entries, "total_count": total})

    def _filtered(self, query: ListQuery, project_id: str, now_s: float) -> Sequence[Service]:
        """Return what the filters leave, in ascending order; the whole fleet by creation costs no scan."""
        oldest_first = self.fleet.by_creation(project_id)
        if query.has_filter or self.fleet.has_hidden:
            shown = (self.fleet.seen(service, now_s) for service in oldest_first)
            matching = [service for service in shown if service is not None and query.matches(service)]
        elif query.sort_key == "create_at":
            return oldest_first
        else:
            matching = list(oldest_first)
        if query.sort_key == "update_at":
            matching.sort(key=lambda one: (one.updated_ms, one.id))
        return matching

    def _detail(self, call: Call, now_s: float) -> Answer | Refusal:
        found = self._find(call)
        if isinstance(found, Refusal):
            return found
        shown = self.fleet.seen(found, now_s)
        if shown is None:
            return vpcep("0005")
        return Answer(value=wire.detail_answer(shown, self.switches))

    def _modify(self, call: Call, now_s: float) -> Answer | Refusal:
        before = self._find(call)
        if isinstance(before, Refusal):
            return before
        body = json_object(call.body)
        if isinstance(body, Refusal):
            return body
        region = self.projects.region(call.project_id)
        if call.operation is Operation.RENAME:
            wanted = rules.renamed(before, body, region=region)
        else:
            wanted = rules.modified(before, body, fleet=self.fleet, switches=self.switches, region=region)
        if isinstance(wanted, Refusal):
            return wanted
        after = replace(wanted, updated_ms=round(now_s * 1000))
        self._store(after, before, now_s)
        self._record(call, before, after, is_duplicate=wanted == before)
        if call.operation is Operation.RENAME:
            return Answer(value={"endpoint_service_name": body["endpoint_service_name"]})
        return Answer(value=wire.modify_answer(after, self.switches))

    def _create(self, call: Call, now_s: float) -> Answer | Refusal:
        body = json_object(call.body)
        if isinstance(body, Refusal):
            return body
        refusal = rules.creation_refusal(body, self.switches)
        if refusal is not None:
            return refusal
        ports = rules.read_ports(body["ports"], self.switches) if body["ports"] else vpcep("2028")
        if isinstance(ports, Refusal):
            return ports
        if self.fleet.count(call.project_id) >= self.switches.services_quota:
            return vpcep("1018")
        service = self._newborn(call.project_id, body, ports, now_s)
        clash = rules.clash(service, moved=True, fleet=self.fleet, switches=self.switches)
        if clash is not None:
            return clash
        self._store(service, None, now_s)
        if service.status is Status.CREATING:
            end = Status.FAILED if self.switches.create_fails else Status.AVAILABLE
            self.fleet.plan(now_s + self.switches.create_delay_s, service.id, end)
        return Answer(value=wire.modify_answer(service, self.switches))

    def _newborn(
        self, project_id: str, body: rules.Body, ports: tuple[PortMapping, ...], now_s: float
    ) -> Service:
        self._created_count += 1
        service_id = derived_id("created", f"{project_id}/{now_s}/{self._created_count}")
        region = self.projects.region(project_id)
        is_instant = self.switches.create_delay_s == 0 and not self.switches.create_fails
        return Service(
            id=service_id,
            project_id=project_id,
            domain_id=domain_id(),
            service_name=rules.full_name(region, body.get("service_name", ""), service_id),
            description=body.get("description", ""),
            status=Status.AVAILABLE if is_instant else Status.CREATING,
            service_type="interface",
            server_type=body["server_type"],
            vpc_id=body["vpc_id"],
            pool_id=body.get("pool_id") or derived_id("pool", region),
            port_id=body["port_id"],
            vip_port_id=body.get("vip_port_id"),
            ip=None,
            ip_version=body.get("ip_version", "ipv4"),
            cidr_type="internal",
            approval_enabled=body.get("approval_enabled", True),
            tcp_proxy=body.get("tcp_proxy", "close"),
            enable_policy=False,
            public_border_group=None,
            connection_count=0,
            ports=ports,
            tags=rules.read_tags(body.get("tags", [])),
            error=(),
            created_ms=round(now_s * 1000),
            updated_ms=round(now_s * 1000),
        )

    def _delete(self, call: Call, now_s: float) -> Answer | Refusal:
        service = self._find(call)
        if isinstance(service, Refusal):
            return service
        if service.service_type != "interface":
            return vpcep("0004", "Services of type gateway are the operator's.")
        if service.status is Status.DELETING:
            return vpcep("3045", "It is deleting.")
        if service.connection_count:
            return vpcep("3006")
        self._store(replace(service, status=Status.DELETING), service, now_s)
        self.fleet.plan(now_s + self.switches.delete_delay_s, service.id, None)
        self.settle(now_s)
        return Answer(http=self.switches.delete_http)

    def _quotas(self, call: Call) -> Answer | Refusal:
        wanted = dict(parse_qsl(call.query)).get("type")
        services = {
            "type": "endpoint_service",
            "used": self.fleet.count(call.project_id),
            "quota": self.switches.services_quota,
        }
        resources = [services, {"type": "endpoint", "used": 0, "quota": ENDPOINTS_QUOTA}]
        if wanted is not None and wanted not in {one["type"] for one in resources}:
            return vpcep("0002", "type must be endpoint_service or endpoint.")
        shown = [one for one in resources if wanted in {None, one["type"]}]
        return Answer(value={"quotas": {"resources": shown}})

    def _store(self, after: Service, before: Service | None, now_s: float) -> None:
        self.fleet.put(after)
        if self.switches.read_lag_s:
            self.fleet.hide(after.id, before, now_s + self.switches.read_lag_s)
        self.journal.changed(after.id, after)

    def _record(self, call: Call, before: Service, after: Service, *, is_duplicate: bool) -> None:
        self.applied_count += 1
        applied = Applied(
            n=self.applied_count,
            at_ms=after.updated_ms,
            operation=call.operation,
            project_id=call.project_id,
            id=after.id,
            before=before.ports,
            after=after.ports,
            is_duplicate=is_duplicate,
            body=call.body,
        )
        self.journal.applied(applied)
