"""Metrics and signals that stay small, and mean what they say."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from spec import names, vocabulary
from spec.catalogue import catalogue
from spec.checks.base import Gravity, Issue
from spec.duration import Duration
from spec.errors import Path, nearest
from spec.lookup import own_stream, signals_of
from spec.model import Family, Signal, Spec

LONGEST_WINDOW: Final = Duration(24 * 3600)
FEWEST_COMBINATIONS: Final = 100
"""Combinations of open labels (gateway, tenant, model, provider, ...) that have to fit below `max_series`."""

_FIXED_SHARE: Final = 0.5
_CLOSED: Final[Mapping[str, tuple[str, ...]]] = {
    "operation": vocabulary.OPERATIONS,
    "outcome": vocabulary.OUTCOMES,
    "error_class": vocabulary.ERROR_CLASSES,
    "verdict": vocabulary.VERDICTS,
    "offhours": vocabulary.OFFHOURS,
    "detector": vocabulary.DETECTORS,
    "confidence": vocabulary.CONFIDENCES,
    "reason": vocabulary.REJECTIONS,
}


class OffendersAreCapped:
    """A signal by an identity publishes only the worst: its field has `top`."""

    id: ClassVar[str] = "TOC030"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Fields that would become unbounded labels."""
        for name, signal in spec.signals.items():
            field = spec.fields.get(signal.by)
            if field and field.unbounded and not field.top > 0:
                text = f"found no `top`, expected one: the signal {name} is grouped by it"
                yield Issue(text, ("fields", signal.by))


class LabelsAreBounded:
    """Every label of a family, and every group of a signal, is a field with a cap, a closed set or a top."""

    id: ClassVar[str] = "TOC031"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Labels that anybody who can send a request could grow."""
        for name, family in spec.families.items():
            for index, label in enumerate(family.labels):
                field = spec.fields.get(label)
                path: Path = ("families", name, "labels", index)
                if field is None:
                    yield Issue(f"found {label!r}, expected a field{nearest(label, spec.fields)}", path)
                elif field.top:
                    yield Issue(f"found {label!r}, expected a bounded field; a signal can show its worst values", path)
                elif not field.cap > 0 and not field.values:
                    yield Issue(f"found {label!r}, expected a field with `cap` or `values`", path)
        for name, signal in spec.signals.items():
            field = spec.fields.get(signal.by)
            if field and not (field.cap > 0 or field.top > 0 or field.values):
                text = f"found {signal.by!r}, expected a field with `top`, `cap` or `values`"
                yield Issue(text, ("signals", name, "by"))


class SeriesFitTheBudget:
    """Signals take at most half of `max_series`, and 100 combinations of open labels fit into what is left.

    The product of all caps says little: it is reached only under attack, and then `max_series` folds what is new. What
    has to be small is the fixed part (every signal full: top or cap, twice with its answered twin) and the price of one
    new combination of open labels (a model used by one more tenant): over all families the product of the closed sets,
    for a histogram times its buckets, sum and count.
    """

    id: ClassVar[str] = "TOC032"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """A spec that would run into its own ceiling."""
        budget = spec.settings.max_series
        fixed = sum(_signal_series(spec, signal) for signal in spec.signals.values() if own_stream(signal))
        each = sum(_combination_series(spec, family) for family in spec.families.values())
        path: Path = ("settings", "max_series")
        if fixed > budget * _FIXED_SHARE:
            yield Issue(f"signals can need {fixed} series, expected at most half of {budget}", path)
        elif each and (budget - fixed) // each < FEWEST_COMBINATIONS:
            text = f"one combination of open labels takes {each} series, so {(budget - fixed) // each} fit"
            yield Issue(f"{text} into {budget - fixed}, expected {FEWEST_COMBINATIONS} or more", path)


def _signal_series(spec: Spec, signal: Signal) -> int:
    field = spec.fields.get(signal.by)
    groups = (field.top or field.cap or len(field.values)) if field else 1
    return groups * (2 if signal.answered else 1)


def _combination_series(spec: Spec, family: Family) -> int:
    closed = [len(spec.fields[label].values) or 1 for label in family.labels if label in spec.fields]
    return math.prod(closed) * (len(family.buckets) + 3 if family.type == "histogram" else 1)


class NamesFollowConventions:
    """Metrics are llm_* or tocsin_* in snake case with the suffix of their type; labels are plain and not reserved."""

    id: ClassVar[str] = "TOC033"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Names that Prometheus would refuse or readers would misread."""
        for name, family in spec.families.items():
            yield from _metric(name, family.type, (names.SIGNAL_PREFIX,), ("families", name))
        for name, metric in spec.health.items():
            prefixes = (names.HEALTH_PREFIX, names.SIGNAL_PREFIX)
            yield from _metric(name, metric.type, prefixes, ("health", name))
            for index, label in enumerate(metric.labels):
                yield from _label(label, ("health", name, "labels", index))
        for name, signal in spec.signals.items():
            if own_stream(signal):
                yield from _metric(
                    names.signal_metric(name, signal), "gauge", (names.SIGNAL_PREFIX,), ("signals", name)
                )
        for name in spec.fields:
            yield from _label(name, ("fields", name))
        for label in spec.settings.extra_labels:
            here: Path = ("settings", "extra_labels", label)
            yield from _label(label, here)
            if label in names.STATIC_LABELS:
                yield Issue(f"found the label {label!r}, expected another name: every alert has this label", here)


def _metric(name: str, kind: str, prefixes: tuple[str, ...], path: Path) -> Iterator[Issue]:
    if not names.METRIC.fullmatch(name) or not name.startswith(prefixes):
        yield Issue(f"found {name!r}, expected snake case beginning with {' or '.join(prefixes)}", path)
    if (kind == "counter") != name.endswith("_total"):
        yield Issue(f"found the {kind} {name!r}, expected '_total' at the end of counters and of nothing else", path)
    if name.endswith(names.HISTOGRAM_SUFFIXES):
        yield Issue(f"found {name!r}, expected another ending: histograms use _bucket, _sum and _count", path)


def _label(name: str, path: Path) -> Iterator[Issue]:
    if not names.LABEL.fullmatch(name) or name in names.RESERVED_LABELS:
        yield Issue(f"found the label {name!r}, expected snake case that Prometheus does not reserve", path)


class NamesAreUnique:
    """No two entries publish a metric of the same name, and none that OpenMetrics takes for the same.

    OpenMetrics leaves ``_total`` out of a counter's name, so ``x_total`` and a gauge ``x`` are one there.
    """

    id: ClassVar[str] = "TOC034"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Metrics that exist twice."""
        for name, count in Counter(metric.name for metric in catalogue(spec, expand_histograms=True)).items():
            if count > 1:
                path: Path = ("signals", name.removeprefix(names.SIGNAL_PREFIX))
                yield Issue(f"the metric {name} is published {count} times, expected once", path)
        metrics = {metric.name for metric in catalogue(spec) if metric.source != "external"}
        for name in sorted(metrics):
            if name.endswith("_total") and name.removesuffix("_total") in metrics:
                path = ("signals", name.removesuffix("_total").removeprefix(names.SIGNAL_PREFIX))
                yield Issue(f"the name is that of the counter {name} without _total; choose another one", path)


class SignalsAreUsed:
    """An alert looks at every signal, or the signal says why not (`no_alert`)."""

    id: ClassVar[str] = "TOC035"
    severity: ClassVar[Gravity] = "warning"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Signals that nobody is told about."""
        used = {name for alert in spec.alerts.values() if alert.enabled for _, name in signals_of(alert)}
        for name, signal in spec.signals.items():
            if name not in used and not signal.no_alert:
                yield Issue("no alert uses this signal; say why in `no_alert`, or disable it", ("signals", name))
            if name in used and signal.no_alert:
                yield Issue("an alert uses this signal; remove `no_alert`", ("signals", name, "no_alert"))


class CategoriesAreCovered:
    """Each of the six categories has at least two families or signals."""

    id: ClassVar[str] = "TOC036"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Categories with nothing, or only one thing, to see."""
        count = Counter(family.category for family in spec.families.values())
        count.update(signal.category for signal in spec.signals.values() if own_stream(signal))
        for category in vocabulary.CATEGORIES:
            if count[category] < 2:
                yield Issue(f"found {count[category]} of category {category!r}, expected at least two", ("signals",))


class WordsAreKnown:
    """Words in `where` and `split` belong to the closed set of their field; a matcher has exactly one word."""

    id: ClassVar[str] = "TOC037"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Conditions that never hold."""
        for table, entries in (("families", spec.families), ("signals", spec.signals)):
            for name, entry in entries.items():
                for dimension, words in entry.where.items():
                    path: Path = (table, name, "where", dimension)
                    if not words:
                        yield Issue("found an empty list, expected at least one word", path)
                    if isinstance(entry, Signal) and not own_stream(entry):
                        if len(words) > 1:
                            yield Issue(f"found {len(words)} words, expected one: the metric is read as it is", path)
                    else:
                        yield from _words(spec, dimension, words, path)
        for name, family in spec.families.items():
            for label, columns in family.split.items():
                yield from _words(spec, label, tuple(columns), ("families", name, "split", label))


def _words(spec: Spec, dimension: str, words: tuple[str, ...], path: Path) -> Iterator[Issue]:
    known = spec.fields[dimension].values if dimension in spec.fields else ()
    for index, word in enumerate(words):
        if known and word not in known:
            yield Issue(f"found {word!r}, expected one of {', '.join(known)}{nearest(word, known)}", (*path, index))


class FieldsKnowTheVocabulary:
    """The closed set of a field is the one that events have, and a field has one kind of limit."""

    id: ClassVar[str] = "TOC038"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Fields that would turn known words into "other"."""
        for name, words in _CLOSED.items():
            field = spec.fields.get(name)
            if field and set(field.values) != set(words):
                differ = sorted(set(words) ^ set(field.values))
                yield Issue(f"found words that differ from those of events: {', '.join(differ)}", ("fields", name))
        for name, field in spec.fields.items():
            if sum((field.cap != 0, field.top != 0, bool(field.values))) > 1 or field.cap < 0 or field.top < 0:
                yield Issue("expected exactly one of cap, top and values, above 0", ("fields", name))


class WindowsAreSensible:
    """A signal over events has a window of more than 0 and at most 24 hours; one that is read has none."""

    id: ClassVar[str] = "TOC039"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Windows that hold nothing or too much."""
        for name, signal in spec.signals.items():
            path: Path = ("signals", name, "window")
            if not own_stream(signal):
                if signal.window:
                    yield Issue(f"found {signal.window}, expected none: the metric is read as it is", path)
            elif not signal.window > 0:
                yield Issue("found no window, expected a duration such as 10m", path)
            elif signal.window > LONGEST_WINDOW:
                yield Issue(f"found {signal.window}, expected at most {LONGEST_WINDOW}", path)


class MeasuresFitTheirKind:
    """Only histograms have buckets, and these ascend; own windows count or sum; what is read is a gauge or counter."""

    id: ClassVar[str] = "TOC040"
    severity: ClassVar[Gravity] = "error"

    def check(self, spec: Spec) -> Iterator[Issue]:
        """Keys that have no meaning where they are."""
        for name, family in spec.families.items():
            buckets = family.buckets
            path: Path = ("families", name, "buckets")
            if family.type == "histogram":
                if not buckets or any(low >= high for low, high in itertools.pairwise(buckets)):
                    yield Issue("expected at least one bucket, in ascending order", path)
            elif buckets:
                yield Issue(f"found buckets, expected none for a {family.type}", path)
            if family.split and (len(family.split) > 1 or not set(family.split) <= set(family.labels)):
                yield Issue("expected one label of the family", ("families", name, "split"))
        for name, signal in spec.signals.items():
            if own_stream(signal) == (signal.measure in ("gauge", "counter")):
                expected = "count, sum or distinct" if own_stream(signal) else "gauge or counter"
                yield Issue(f"found {signal.measure!r}, expected {expected}", ("signals", name, "measure"))
            if signal.answered and signal.stream not in ("detections", "events", "tool_calls"):
                yield Issue("found true, expected false: its stream has no attempts", ("signals", name, "answered"))
