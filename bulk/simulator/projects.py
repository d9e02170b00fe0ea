"""The projects of the one account that this simulator serves, and the region of each."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedProject:
    """A project: its 32-digit id, and its name, which is the region or `region_sub` (API.md, section 4.3)."""

    id: str
    name: str

    @property
    def region(self) -> str:
        """Return the region that the name begins with."""
        return self.name.partition("_")[0]


@dataclass(slots=True, kw_only=True)
class Projects:
    """Every project by id; one that only the fleet names gets a name in the default region."""

    region_default: str = "cn-north-4"
    _by_id: dict[str, SimulatedProject] = field(default_factory=dict)

    def __iter__(self) -> Iterator[SimulatedProject]:
        return iter(self._by_id.values())

    def add(self, project_id: str, name: str | None = None) -> None:
        """Add a project. Without a name: the region's own if that is free, else `region_<first 8 digits>`."""
        if name is None:
            is_free = all(project.name != self.region_default for project in self._by_id.values())
            name = self.region_default if is_free else f"{self.region_default}_{project_id[:8]}"
        self._by_id.setdefault(project_id, SimulatedProject(id=project_id, name=name))

    def knows(self, project_id: str) -> bool:
        """Return whether the account has this project."""
        return project_id in self._by_id

    def region(self, project_id: str) -> str:
        """Return the region of a known project."""
        return self._by_id[project_id].region
