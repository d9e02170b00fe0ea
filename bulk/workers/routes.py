"""What a worker takes, whatever a run asks for: three routes of one project, and nothing else."""

import re

from bulk.model import is_service_id
from bulk.vpcep.requests import Request, services_path

_QUERY_OF_THE_LIST = re.compile("(limit=[0-9]{1,9}&offset=[0-9]{1,9}&sort_dir=(asc|desc))?")
"""In signed order: another one would be signed wrongly, and the API's refusal be taken for the key's."""
_BODY_BYTES_MAX = 1024 * 1024


def refusal_of(request: Request, project_id: str, *, may_write: bool) -> str:
    """Return why a request is none that a worker sends for a project; empty where it is one."""
    if may_write and request.method != "PUT":
        return "on the subject of writes only PUTs are taken"
    if not may_write and request.method != "GET":
        return "on the subject of reads only GETs are taken"
    if request.body and (not may_write or len(request.body) > _BODY_BYTES_MAX):
        return "it has a body that it should not have"
    path = services_path(project_id)
    if request.path == path:
        if may_write:
            return "a list cannot be written"
        is_known = _QUERY_OF_THE_LIST.fullmatch(request.query)
        return "" if is_known else "its query has what the list does not take"
    service_id = request.path.removeprefix(f"{path}/")
    if not request.path.startswith(f"{path}/") or not is_service_id(service_id):
        return f"its path is neither the list of project {project_id} nor one of its services"
    return "a single service takes no query" if request.query else ""
