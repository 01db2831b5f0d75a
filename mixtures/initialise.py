"""Where EM starts: weighted k-means++ on encoded columns, families matched to clusters by likelihood, starts screened side by side.

A start depends on the weighted set of rows only, never on their order or on whether a row is repeated or weighted. Numbers are
divided by their spread, categories become indicators, and a missing cell leaves its column out of a distance. Several starts run
for some iterations each, and those with the best likelihood go on: small EM (Biernacki, Celeux & Govaert 2003).
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.utils import check_random_state

from mixtures import templates
from mixtures.assembly import Assembly
from mixtures.e_steps import SOFT
from mixtures.engine.kmeans import encoded
from mixtures.engine.loop import Course, calls
from mixtures.engine.plan import PROGRESS, Control, Floats, Ints, Problem, Task
from mixtures.engine.search import RANDOM, SEEDED, THOROUGH, label_starts, try_runs
from mixtures.engine.team import run_together
from mixtures.knowledge import Knowledge
from mixtures.parts import Parts, distinct
from mixtures.runs import Run, begin
from mixtures.sample import sample_rows
from mixtures.settings import Settings
from mixtures.standalone import complete
from mixtures.table import Table

SAMPLE_ROWS = 4096
SAMPLE_ROWS_PER_COMPONENT = 64
LLOYD_ITERATIONS = 30
SOFTNESS = 0.05
"""Share of every row that all components get alike in the first M-step. A wholly hard start would put probabilities and
rates at 0, where EM leaves them for ever, and the spread of a cluster of equal rows at its floor."""
START_STEPS = 20
"""M-steps of a start, at most, of families whose maximum takes several: the first ones come from parameters as wide as the column,
from which EM itself would follow other clusters."""
IMPOSSIBLE_LOG_PROB = -1000.0
"""What a row outside a family's support counts for when families are matched to clusters."""
KINDS = (THOROUGH, SEEDED, RANDOM)
"""What starts are, in turn."""
HOW = (SOFTNESS, LLOYD_ITERATIONS, START_STEPS)
NO_KINDS = np.empty(0, dtype=np.int64)
NO_MOVES = np.empty((0, 2), dtype=np.int64)


class Starter:
    """Makes starts for one model on one table."""

    def __init__(
        self,
        components: Sequence[Parts],
        given: Sequence[bool],
        table: Table,
        weights: Floats | None,
        mixing: Floats,
        settings: Settings,
        knowledge: Knowledge,
        template: templates.Template | None = None,
    ) -> None:
        self.seed = seed_of(settings.random_state)
        self._given = given
        self._kinds = _kinds(components, given)
        self._is_uniform = len(self._kinds) == 1 and not any(given)
        self._incomplete = components
        self._settings = settings
        self._mixing = mixing
        self._table, self._weights = table, weights
        if template is not None:
            self.assembly = Assembly.like(template, table, weights)
        else:
            self.assembly = Assembly(self._components, table, weights)
            if self._is_uniform:
                templates.keep([part.component for part in components], table, list(components), self.assembly)
        self._widths = self.assembly.category_counts()
        k = len(components)
        size = SAMPLE_ROWS + SAMPLE_ROWS_PER_COMPONENT * k
        self._sample = sample_rows(self.assembly, knowledge, size, SAMPLE_ROWS_PER_COMPONENT)
        self.is_whole = self._sample.is_whole
        sample = self._sample
        self._z = encoded(self.assembly.addresses, self.assembly.strides, self._widths, sample.rows, sample.weights)
        self._knowledge = knowledge
        hints = knowledge.hints()
        self._hints = hints[sample.rows] if hints.size else hints
        self._hinted = np.zeros(k, dtype=bool)
        self._hinted[self._hints[self._hints >= 0]] = True

    @functools.cached_property
    def _components(self) -> list[Parts]:
        """The components, with every parameter that they lack from a start."""
        completed: dict[int, Parts] = {}
        for component, is_given in zip(self._incomplete, self._given, strict=True):
            if id(component) not in completed:
                completed[id(component)] = complete(component, self._table, is_given)
        return [completed[id(component)] for component in self._incomplete]

    @functools.cached_property
    def _sample_table(self) -> Table:
        return self._table.take(self._sample.rows)

    @property
    def n_rows(self) -> int:
        """Rows that stand for the table."""
        return len(self._sample.rows)

    @property
    def n_components(self) -> int:
        """Number of components."""
        return len(self._given)

    @property
    def is_plain(self) -> bool:
        """Whether labels of clusters are those of components, and no component lives in Python only."""
        return (self._is_uniform or bool(self._hinted.all())) and self.is_compiled

    @property
    def is_compiled(self) -> bool:
        """Whether no component lives in Python only."""
        return not self.assembly.door.components

    def as_soft(self) -> Starter:
        """The same starts of runs with soft E-steps."""
        soft = copy.copy(self)
        soft._settings = self._settings._replace(e_step=SOFT)
        return soft

    def _kind(self, number: int) -> int:
        """What start of this number is."""
        return RANDOM if self._settings.start == "random" else KINDS[number % len(KINDS)]

    def starts(self, count: int, n_steps: int) -> list[Run]:
        """So many starts, each after at most `n_steps` M-steps on the rows that stand for the table."""
        if self.is_plain:
            return self._plain(count, n_steps)
        return [self._matched(number, n_steps) for number in range(count)]

    def _over_sample(self, components: Sequence[Parts]) -> tuple[Assembly, Knowledge]:
        """Components over the rows that stand for the table, and what is known of those."""
        if self.is_whole:
            return Assembly(components, self._table, self._weights), self._knowledge
        return Assembly(components, self._sample_table, self._sample.weights), self._knowledge.take(self._sample.rows)

    def _plain(self, count: int, n_steps: int) -> list[Run]:
        sample = self._sample
        if self.is_whole:
            assembly, knowledge = self.assembly, self._knowledge
        else:
            assembly, knowledge = self._over_sample(self._components)
        given, kinds = np.array(self._given), np.array([self._kind(number) for number in range(count)])
        data = (self._z, self._order, sample.weights, self._hints, self.seed, kinds, NO_MOVES)
        template = (given, assembly.parameters, self._mixing)
        return self._side_by_side(count, n_steps, assembly, knowledge, (*template, *data))

    @property
    def _order(self) -> Ints:
        """Places, among the rows that EM starts on, of those that were clustered."""
        return self._sample.rows if self.is_whole else np.arange(len(self._sample.rows))

    def _side_by_side(
        self, count: int, n_steps: int, assembly: Assembly, knowledge: Knowledge, arguments: tuple[Any, ...]
    ) -> list[Run]:
        """Runs that compiled code starts, the same ones for any number of threads."""
        settings = self._settings
        control = settings.control(len(self._given), assembly.is_maximum_likelihood, not assembly.door.components)
        task = settings.task(knowledge, self.seed)

        def made(until: int) -> list[Run]:
            return tried(assembly, assembly.problem, task, control, until, count, arguments, settings.n_threads)

        runs = made(n_steps)
        if settings.watch is not None:  # who looks on wants to see a run from its beginning
            for run, beginning in zip(runs, made(0), strict=True):
                run.remember(beginning.course)
        return runs

    def moved(self, run: Run, moves: Ints, n_steps: int) -> list[Run]:
        """Runs that follow moves (moves, 2) of components away from where a run on the rows that EM starts on has ended."""
        course = run.course
        data = (self._z, self._order, self._sample.weights, self._hints, self.seed, NO_KINDS, moves)
        knowledge = self._knowledge if self.is_whole else self._knowledge.take(self._sample.rows)
        template = (np.zeros(self.n_components, dtype=bool), course.parameters, course.log_weights)
        return self._side_by_side(len(moves), n_steps, run.assembly, knowledge, (*template, *data))

    def _matched(self, number: int, n_steps: int) -> Run:
        """A start of components of several families, or of which some are given: each gets the cluster that suits it."""
        k = len(self._components)
        labels = np.empty(len(self._sample.rows), dtype=np.int64)
        kind = self._kind(number)
        label_starts(self._z, self._sample.weights, kind, self.seed, number, LLOYD_ITERATIONS, self._hints, k, labels)
        shares = np.bincount(labels, weights=self._sample.weights, minlength=k)
        if self._is_uniform:
            components = self._fit(self._components, labels)
        else:
            components, order = self._match(labels)
            shares = shares[order]
        weights = np.maximum(shares, np.add.reduce(shares) / (10 * k))
        log_weights = self._mixing.copy() if self._mixing.size else np.log(weights / np.add.reduce(weights))
        assembly, knowledge = self._over_sample(components)
        run = begin(assembly, log_weights, self._settings, knowledge, self.seed)
        with assembly.door.keeping_interrupts():
            run.course.run(1, until=n_steps)
        assembly.door.raise_interrupt()
        return run

    def over_all_rows(self, run: Run) -> Run:
        """A run on the rows that stand for a table, to be gone on with on all of them."""
        if self.is_whole:
            return run
        components = [self._covering(parts) for parts in run.assembly.unpack_parts(run.course.parameters)]
        assembly = Assembly(components, self._table, self._weights)
        return begin(assembly, run.course.log_weights, self._settings, self._knowledge, self.seed)

    def _fit(self, components: Sequence[Parts], labels: Ints) -> list[Parts]:
        assembly = Assembly(components, self._sample_table, self._sample.weights)
        assembly.fit_labels(labels, softness=SOFTNESS, max_steps=START_STEPS)
        return [self._covering(parts) for parts in assembly.unpack_parts()]

    def _covering(self, parts: Parts) -> Parts:
        """Parts fitted to a sample, made to hold all rows: a Uniform's ends may only narrow later."""
        pairs = zip(parts.columns, parts.factors, strict=True)
        factors = [f._covering(self._table, places) if hasattr(f, "_covering") else f for places, f in pairs]
        return Parts(parts.component, parts.columns, factors)

    def _match(self, labels: Ints) -> tuple[list[Parts], Ints]:
        """Give each component the cluster that suits its family: the assignment of largest total log-likelihood. A cluster about
        rows with a label is that component's."""
        k = len(self._components)
        gain = np.empty((k, k))  # component, cluster
        fitted: dict[Any, list[Parts]] = {}
        for key, places in self._kinds.items():
            copies = [self._components[places[0]]] * k
            given = self._given[places[0]]
            fitted[key] = copies if given else self._fit(copies, labels)
            value = self._log_prob(fitted[key][:1] if given else fitted[key])
            # NaN and +inf of a user's component count as impossible here, too; EM's first pass names their row.
            value = self._sample.weights[:, None] * np.where(
                value < np.inf, np.maximum(value, IMPOSSIBLE_LOG_PROB), IMPOSSIBLE_LOG_PROB
            )
            for c in range(k):
                gain[places, c] = value[labels == c, 0 if given else c].sum()
        (free,) = np.nonzero(~self._hinted)
        order = np.arange(k)
        order[free] = free[linear_sum_assignment(-gain[np.ix_(free, free)])[1]]
        of_place = {place: key for key, places in self._kinds.items() for place in places}
        return [fitted[of_place[place]][order[place]] for place in range(k)], order

    def _log_prob(self, components: Sequence[Parts]) -> Floats:
        assembly = Assembly(components, self._sample_table)
        out = np.empty((len(self._sample.rows), len(components)))
        assembly.evaluate(np.zeros(len(components)), log_joint=out)
        return out


def tried(
    assembly: Assembly,
    problem: Problem,
    task: Task,
    control: Control,
    until: int,
    count: int,
    arguments: tuple[Any, ...],
    n_threads: int = 1,
) -> list[Run]:
    """So many starts or moves, after at most `until` M-steps each on the rows of a problem that is laid as the assembly is;
    `arguments` are those of :func:`mixtures.engine.search.try_runs` from `given` to `moves`."""
    sizes = problem.sizes
    parameters, log_weights = np.empty((count, assembly.parameters.size)), np.empty((count, sizes.n_components))
    history = np.empty((count, min(until, control.max_iter) + 1))
    progress, statuses = np.zeros((count, PROGRESS + sizes.n_plates), np.int64), np.zeros(count, np.int64)
    outputs = (parameters, log_weights, history, progress, statuses)
    run_together(min(n_threads, count), try_runs, calls(), problem, task, control, until, *arguments, *HOW, *outputs)
    return [
        Run(assembly, Course(problem, values, weights, past, state, task, control, status))
        for values, weights, past, state, status in zip(*outputs[:4], statuses.tolist(), strict=True)
    ]


def seed_of(random_state: Any) -> int:
    """A seed from what scikit-learn calls a random state; a whole number is its own."""
    if isinstance(random_state, (int, np.integer)) and random_state >= 0:
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _kinds(components: Sequence[Parts], given: Sequence[bool]) -> dict[Any, list[int]]:
    """Places of the components of one form, that one start serves; a given component is a kind of its own."""
    if not any(given) and len(distinct(components)) == 1:
        return {"": list(range(len(components)))}
    forms = {id(component): repr(component.component) for component in distinct(components)}
    kinds: dict[Any, list[int]] = {}
    for place, component in enumerate(components):
        kinds.setdefault(("given", place) if given[place] else forms[id(component)], []).append(place)
    return kinds
