"""Who looks on while EM runs: callbacks, a progress bar, and scikit-learn's callbacks where those are installed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mixtures.engine.plan import Floats
from mixtures.exceptions import ParameterError
from mixtures.extras import import_extra
from mixtures.runs import Run

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9 has none

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's."""

    def with_callbacks(method: Any) -> Any:
        """Stands in for scikit-learn's."""
        return method


class Progress:
    """What a callback is told after an iteration of EM.

    Attributes
    ----------
    iteration : M-steps so far.
    objective : mean log-likelihood of a row (plus log-priors) before the last of them.
    gain : what the M-step before that one gained; None in the first iteration.
    weights : (k,) mixing proportions now.
    components : list of k distributions, as they are now; made when asked for.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        history = run.course.history[: run.course.iteration]
        self.iteration = run.course.iteration
        self.objective = float(history[-1])
        self.gain = float(history[-1] - history[-2]) if len(history) > 1 else None

    @property
    def weights(self) -> Floats:
        """Mixing proportions (k,) now."""
        return self._run.weights

    @property
    def components(self) -> list[Any]:
        """The k distributions now."""
        return self._run.assembly.unpack(self._run.course.parameters)


Watcher = Callable[[Run], bool]


def _listed(callbacks: Any) -> list[Callable[[Progress], Any]]:
    """Callbacks as a list.

    Raises
    ------
    ParameterError : one cannot be called.
    """
    found = [callbacks] if callable(callbacks) or not isinstance(callbacks, Iterable | None) else list(callbacks or ())
    for callback in found:
        if not callable(callback):
            raise ParameterError(f"callbacks must be functions of one argument, found {callback!r}")
    return found


def is_watched(model: Any) -> bool:
    """Whether anybody looks on at a fit of this model."""
    return (
        model.callbacks is not None
        or model.verbose > 1
        or hasattr(model, "_skl_callbacks")
        or hasattr(model, "_parent_callback_ctx")
    )


@contextlib.contextmanager
def watcher(model: Any, X: Any) -> Iterator[Watcher]:
    """What to call with a run after every iteration."""
    watchers: list[Watcher] = []
    for callback in _listed(model.callbacks):
        watchers.append(lambda run, callback=callback: callback(Progress(run)) is True)  # type: ignore[misc]
    with contextlib.ExitStack() as stack:
        if model.verbose > 1:
            watchers.append(stack.enter_context(_bar(model.max_iter)))
        if hasattr(model, "_skl_callbacks") or hasattr(model, "_parent_callback_ctx"):
            watchers.append(stack.enter_context(_scikit_learn(model, X)))
        # every one of them is told, whatever another one answers
        yield lambda run: any([watch(run) for watch in watchers])


@contextlib.contextmanager
def _bar(max_iter: int) -> Iterator[Watcher]:
    """A progress bar of tqdm, which shows the mean log-likelihood."""
    tqdm = import_extra("tqdm.auto", "progress")
    with tqdm.tqdm(total=max_iter, desc="EM", unit="iteration") as bar:

        def watch(run: Run) -> bool:
            bar.update(run.course.iteration - bar.n)
            bar.set_postfix_str(f"mean log-likelihood {run.course.history[run.course.iteration - 1]:.6f}", refresh=False)
            return False

        yield watch


@contextlib.contextmanager
def _scikit_learn(model: Any, X: Any) -> Iterator[Watcher]:
    """Tell scikit-learn's callbacks: the fit is their root task, every iteration a task below it."""
    context = model._init_callback_context(max_subtasks=model.max_iter)
    context.call_on_fit_task_begin(estimator=model, X=X)

    def watch(run: Run) -> bool:
        task = context.subcontext(task_name="EM iteration")
        task.call_on_fit_task_begin(estimator=model, X=X)
        return bool(task.call_on_fit_task_end(estimator=model, X=X, reconstruction_attributes=lambda: _attributes(run)))

    yield watch
    context.call_on_fit_task_end(estimator=model, X=X)


def _attributes(run: Run) -> dict[str, Any]:
    """Attributes of the model as if the fit had stopped here."""
    progress = Progress(run)
    found = {"components_": progress.components, "weights_": progress.weights}
    return found | {"n_features_in_": run.assembly.table.n_columns, "n_iter_": progress.iteration}
