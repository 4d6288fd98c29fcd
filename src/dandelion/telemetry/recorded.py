"""Series that come from the database: the same in every process, and unaffected by a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily


class Recorded(Collector):
    """A metric family whose values are replaced as a whole: none before the first call of `tell`, none out of date.

    Args:
        family: `CounterMetricFamily` or `GaugeMetricFamily`.
        name: Name, without `_total`.
        documentation: Description for users.
        labels: Names of the labels.
    """

    def __init__(
        self,
        family: type[Family],
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        *,
        registry: CollectorRegistry,
    ) -> None:
        self._create: Callable[[], Metric] = partial(family, name, documentation, labels=labels)
        self._values: Mapping[tuple[str, ...], float] = {}
        registry.register(self)

    def tell(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Replace all values; the keys are label values."""
        self._values = dict(values)

    def describe(self) -> Iterable[Metric]:
        """The family without values."""
        return [self._create()]

    def collect(self) -> Iterable[Metric]:
        """The family with its current values."""
        found: Any = self._create()  # the client types neither family's methods
        for labels, value in self._values.items():
            found.add_metric(labels, value)
        return [found]
