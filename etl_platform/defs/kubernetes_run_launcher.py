"""The launcher of runs on Kubernetes. The chart alone decides what a run's pod may do; the run's tags do not.

Dagster's own launcher merges a run's tag ``dagster-k8s/config`` into its Job. Everyone who may start a run could then
choose the image, the privileges and the secrets of a pod in the cluster.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import dagster as dg

from etl_platform.defs.dagster_internals import LaunchRunContext, ResumeRunContext
from etl_platform.engine.errors import PermanentError

_REFUSED_PREFIX = "dagster-k8s/"


def __getattr__(name: str) -> Any:
    if name == "ConfinedK8sRunLauncher":
        return _confined_launcher()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def _confined_launcher() -> type:
    # ``scaffolded`` imports all modules of this folder in every run, and only the daemon needs the Kubernetes client.
    from dagster_k8s import K8sRunLauncher
    from dagster_k8s.container_context import K8sContainerContext

    class ConfinedK8sRunLauncher(K8sRunLauncher):
        """Dagster's launcher without tags for the pod, and with a service account of its own for some jobs.

        Args:
            service_accounts_by_job: the jobs that may do in AWS what other runs may not.
            other: the config of Dagster's launcher.
        """

        def __init__(self, service_accounts_by_job: Mapping[str, str] | None = None, **other: Any) -> None:
            self._service_accounts_by_job = service_accounts_by_job or {}
            super().__init__(**other)

        @classmethod
        def config_type(cls) -> dict[str, Any]:
            own = {"service_accounts_by_job": dg.Field({str: str}, is_required=False)}
            return {**super().config_type(), **own}  # type: ignore[no-untyped-call]

        def get_container_context_for_run(self, dagster_run: dg.DagsterRun) -> K8sContainerContext:
            context = K8sContainerContext.create_for_run(dagster_run, self, include_run_tags=False)
            # The origin names the job whose code the pod runs; a run can be recorded under any name.
            origin = dagster_run.job_code_origin
            account = self._service_accounts_by_job.get(origin.job_name) if origin else None
            return context.merge(K8sContainerContext(service_account_name=account)) if account else context

        def launch_run(self, context: LaunchRunContext) -> None:
            """Start the run's Job.

            Raises:
                PermanentError: the run has a tag that is meant to change its pod.
            """
            _refuse_tags_for_the_pod(context.dagster_run)
            super().launch_run(context)

        def resume_run(self, context: ResumeRunContext) -> None:
            """Start the Job of an interrupted run again; raises as ``launch_run`` does."""
            _refuse_tags_for_the_pod(context.dagster_run)
            super().resume_run(context)

    return ConfinedK8sRunLauncher


def _refuse_tags_for_the_pod(run: dg.DagsterRun) -> None:
    refused = sorted(tag for tag in run.tags if tag.startswith(_REFUSED_PREFIX))
    if refused:
        raise PermanentError(
            f"the run has the tag {', '.join(refused)}, which would change its pod; start it again without the tag. "
            "The pods of all runs are described in the chart's values, dagster.runLauncher"
        )
