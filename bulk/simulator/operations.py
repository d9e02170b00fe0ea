"""The VPCEP operations: what each request does, from call to answer. No socket in here.

`Vpcep.answer` does one request at one moment. Each change goes to the journal before the answer is returned.
"""

from dataclasses import dataclass, field, replace
from typing import Any, assert_never
from urllib.parse import parse_qsl

from bulk.simulator import put_rules as rules
from bulk.simulator import service_json as wire
from bulk.simulator.calls import AppliedPut, Call, ListQuery, Operation, json_object
from bulk.simulator.error_answers import vpcep
from bulk.simulator.fleet import PROJECT_ID, UUID, PortPair, Service, ServiceStatus, SimulatedFleet, Tag
from bulk.simulator.fleet_lines import derived_id, domain_id
from bulk.simulator.http_replies import HttpReply, json_reply
from bulk.simulator.journal import Journal
from bulk.simulator.projects import Projects
from bulk.simulator.switches import Switches

ENDPOINTS_QUOTA = 50


@dataclass(slots=True, kw_only=True)
class Vpcep:
    """The service as a whole: the fleet, its projects, the switches, and the journal of its changes."""

    fleet: SimulatedFleet
    projects: Projects
    journal: Journal
    switches: Switches = field(default_factory=Switches)
    applied_count: int = 0
    _created_count: int = 0

    def answer(self, call: Call, now_s: float) -> HttpReply:
        """Do what the call asks at this moment and return the answer; raises ErrorAnswer."""
        self.settle(now_s)
        if not PROJECT_ID.fullmatch(call.project_id):
            raise vpcep("0014")
        if call.project_id in self.switches.closed_projects or not self.projects.knows(call.project_id):
            raise vpcep("0004")
        if call.service_id and not UUID.fullmatch(call.service_id):
            raise vpcep("3062")
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
            case Operation.PUBLIC:
                answer = self._public(call)
            case Operation.DESCRIBE:
                answer = self._describe(call)
            case _:
                assert_never(call.operation)
        return answer

    def settle(self, now_s: float) -> None:
        """Let due transitions happen and write them down."""
        for service_id in self.fleet.settle(now_s):
            self.journal.changed(service_id, self.fleet.get(service_id))

    def _find(self, call: Call) -> Service:
        service = self.fleet.get(call.service_id)
        if service is None or service.project_id != call.project_id:
            raise vpcep("2003" if self.switches.missing_service_http == 400 else "0005")
        return service

    def _list(self, call: Call, now_s: float) -> HttpReply:
        query, project_id = ListQuery.read(call.query, self.switches.sort_key_spelling), call.project_id
        # The whole fleet in the order of its creation costs no scan.
        is_plain = query.is_plain and not self.fleet.has_hidden
        matching = [] if is_plain else self._matching(query, project_id, now_s)
        total = self.fleet.count(project_id) if is_plain else len(matching)
        first, last = query.offset, query.offset + query.limit
        if first >= total > 0 and self.switches.offset_past_end == "reject":
            raise vpcep("0010", f"There are {total}.")
        if query.is_descending:
            first, last = max(0, total - last), max(0, total - first)
        page = self.fleet.by_creation(project_id, first, last) if is_plain else matching[first:last]
        entries = [wire.list_entry(service, self.switches) for service in page]
        if query.is_descending:
            entries.reverse()
        return self._page(entries, total)

    def _page(self, entries: list[dict[str, Any]], total: int) -> HttpReply:
        is_null = not entries and self.switches.empty_list == "null"
        return json_reply({"endpoint_services": None if is_null else entries, "total_count": total})

    def _matching(self, query: ListQuery, project_id: str, now_s: float) -> list[Service]:
        """Return what the filters leave, in ascending order."""
        shown = (self.fleet.seen(service, now_s) for service in self.fleet.by_creation(project_id))
        matching = [service for service in shown if service is not None and query.matches(service)]
        if query.is_by_update:
            matching.sort(key=lambda one: (one.updated_ms, one.id))
        return matching

    def _public(self, call: Call) -> HttpReply:
        """List the operator's services, those of every project."""
        query = ListQuery.read(call.query, self.switches.sort_key_spelling)
        matching = [one for one in self.fleet if one.service_type == "gateway" and query.matches(one)]
        matching.sort(key=lambda one: one.created_ms, reverse=query.is_descending)
        page = matching[query.offset : query.offset + query.limit]
        return self._page([wire.public_entry(one, self.switches) for one in page], len(matching))

    def _describe(self, call: Call) -> HttpReply:
        """Show what everybody may know of a service that is named by its id or by its full name."""
        given = dict(parse_qsl(call.query))
        service_id, name = given.get("id"), given.get("endpoint_service_name")
        if not (service_id or name):
            raise vpcep("0002", "endpoint_service_name or id is missing.")
        for one in self.fleet:
            if service_id in {None, one.id} and name in {None, one.service_name}:
                return json_reply(wire.described(one, self.switches))
        raise vpcep("0005")

    def _detail(self, call: Call, now_s: float) -> HttpReply:
        shown = self.fleet.seen(self._find(call), now_s)
        if shown is None:
            raise vpcep("0005")
        return json_reply(wire.detail_answer(shown, self.switches))

    def _modify(self, call: Call, now_s: float) -> HttpReply:
        before, body = self._find(call), json_object(call.body)
        region = self.projects.region(call.project_id)
        if call.operation is Operation.RENAME:
            wanted = rules.renamed(before, body, switches=self.switches, region=region)
        else:
            wanted = rules.modified(before, body, fleet=self.fleet, switches=self.switches, region=region)
        after = replace(wanted, updated_ms=round(now_s * 1000))
        self._store(after, before, now_s)
        self.applied_count += 1
        applied = AppliedPut(
            n=self.applied_count,
            at_ms=after.updated_ms,
            operation=call.operation,
            project_id=call.project_id,
            id=after.id,
            before=before.ports,
            after=after.ports,
            is_duplicate=wanted == before,
            body=call.body,
        )
        self.journal.took_effect(applied)
        if call.operation is Operation.RENAME:
            return json_reply({"endpoint_service_name": body["endpoint_service_name"]})
        return json_reply(wire.modify_answer(after, self.switches))

    def _create(self, call: Call, now_s: float) -> HttpReply:
        body = json_object(call.body)
        rules.check_creation(body, self.switches)
        if not body["ports"]:
            raise vpcep("2028")
        ports = rules.read_ports(body["ports"], self.switches)
        if self.fleet.count(call.project_id) >= self.switches.services_quota:
            raise vpcep("1018")
        service = self._newborn(call.project_id, body, ports, now_s)
        rules.check_clash(service, moved=True, fleet=self.fleet, switches=self.switches)
        self._store(service, None, now_s)
        if service.status is ServiceStatus.CREATING:
            end = ServiceStatus.FAILED if self.switches.create_fails else ServiceStatus.AVAILABLE
            self.fleet.plan(now_s + self.switches.create_delay_s, service.id, end)
        return json_reply(wire.modify_answer(service, self.switches))

    def _newborn(
        self, project_id: str, body: rules.Body, ports: tuple[PortPair, ...], now_s: float
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
            status=ServiceStatus.AVAILABLE if is_instant else ServiceStatus.CREATING,
            server_type=body["server_type"],
            vpc_id=body["vpc_id"],
            pool_id=body.get("pool_id") or derived_id("pool", region),
            port_id=body["port_id"],
            vip_port_id=body.get("vip_port_id"),
            ip_version=body.get("ip_version", "ipv4"),
            approval_enabled=body.get("approval_enabled", True),
            tcp_proxy=body.get("tcp_proxy", "close"),
            ports=ports,
            tags=tuple(Tag(tag["key"], tag["value"]) for tag in body.get("tags", [])),
            created_ms=round(now_s * 1000),
            updated_ms=round(now_s * 1000),
        )

    def _delete(self, call: Call, now_s: float) -> HttpReply:
        service = self._find(call)
        if service.service_type != "interface":
            raise vpcep("0004", "Services of type gateway are the operator's.")
        if service.status is ServiceStatus.DELETING:
            raise vpcep("3045", "It is deleting.")
        if service.connection_count:
            raise vpcep("3006")
        self._store(replace(service, status=ServiceStatus.DELETING), service, now_s)
        self.fleet.plan(now_s + self.switches.delete_delay_s, service.id, None)
        self.settle(now_s)
        return HttpReply(http=self.switches.delete_http)

    def _quotas(self, call: Call) -> HttpReply:
        wanted = dict(parse_qsl(call.query)).get("type")
        used, quota = self.fleet.count(call.project_id), self.switches.services_quota
        resources = [
            {"type": "endpoint_service", "used": used, "quota": quota},
            {"type": "endpoint", "used": 0, "quota": ENDPOINTS_QUOTA},
        ]
        shown = [one for one in resources if wanted in {None, one["type"]}]
        if not shown:
            raise vpcep("0002", "type must be endpoint_service or endpoint.")
        return json_reply({"quotas": {"resources": shown}})

    def _store(self, after: Service, before: Service | None, now_s: float) -> None:
        self.fleet.put(after)
        if self.switches.read_lag_s:
            self.fleet.hide(after.id, before, now_s + self.switches.read_lag_s)
        self.journal.changed(after.id, after)
