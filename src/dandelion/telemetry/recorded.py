"""Figures that are kept elsewhere, in the database: the same in every process, and there again after a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily


class Recorded(Collector):
    """Figures that are kept elsewhere and told as a whole, again and again: none until then, none that is over.

    Args:
        family: `CounterMetricFamily` or `GaugeMetricFamily`.
        name: Without `_total`.
        documentation: What it says.
        labels: Names.
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
        """Label values to figures, all that there are."""
        self._values = dict(values)

    def describe(self) -> Iterable[Metric]:
        """What it is, without figures."""
        return [self._create()]

    def collect(self) -> Iterable[Metric]:
        """What was told last."""
        found: Any = self._create()  # the client types neither family's methods
        for labels, value in self._values.items():
            found.add_metric(labels, value)
        return [found]
