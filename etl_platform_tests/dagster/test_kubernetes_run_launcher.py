"""Tags of a run do not reach its pod. ``deploy/test_run_launcher.py`` starts such a run through the whole chart."""

import json
import sys
from unittest import mock

import dagster as dg
import pytest
from dagster._config import process_config
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster_k8s import K8sRunLauncher

from etl_platform.defs.kubernetes_run_launcher import ConfinedK8sRunLauncher
from etl_platform.defs.operations import retention
from etl_platform.engine.errors import PermanentError

CONFIG = json.dumps({"container_config": {"image": "attacker.example.com/x"}, "pod_spec_config": {"hostNetwork": True}})
LIMITS = json.dumps({"limits": {"cpu": "64"}, "requests": {}})


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> ConfinedK8sRunLauncher:
    # Its constructor reads the cluster's address and token, which only a pod has.
    monkeypatch.setattr("dagster_k8s.launcher.load_kubernetes_config", lambda **_: None)
    return ConfinedK8sRunLauncher(
        service_account_name="runs",
        service_accounts_by_job={retention.JOB_NAME: "erasing"},
        instance_config_map="instance",
        dagster_home="/home",
        job_namespace="platform",
    )


def _run(**tags: str) -> dg.DagsterRun:
    return dg.DagsterRun(job_name="job", tags=tags)


def _run_of(job: str, named: str, **tags: str) -> dg.DagsterRun:
    """A run that is recorded under a name; ``job`` is what its pod executes."""
    repository = RepositoryPythonOrigin(sys.executable, ModuleCodePointer("any", "any"), None, None, None)
    return dg.DagsterRun(job_name=named, tags=tags, job_code_origin=JobPythonOrigin(job, repository))


def _account(launcher: ConfinedK8sRunLauncher, run: dg.DagsterRun) -> object:
    context = launcher.get_container_context_for_run(run)
    return context.run_k8s_config.pod_spec_config["service_account_name"]


def test_the_pod_of_a_run_is_the_same_with_and_without_the_tags(launcher: ConfinedK8sRunLauncher) -> None:
    tags = {"dagster-k8s/config": CONFIG, "dagster-k8s/resource_requirements": LIMITS}

    assert launcher.get_container_context_for_run(_run(**tags)) == launcher.get_container_context_for_run(_run())
    # Otherwise this test would show nothing.
    assert K8sRunLauncher.get_container_context_for_run(launcher, _run(**tags)).run_k8s_config.container_config


@pytest.mark.parametrize("tag", ["dagster-k8s/config", "dagster-k8s/resource_requirements", "dagster-k8s/new"])
@pytest.mark.parametrize("start", ["launch_run", "resume_run"])
def test_a_run_with_a_tag_for_its_pod_is_not_started(launcher: ConfinedK8sRunLauncher, tag: str, start: str) -> None:
    context = mock.Mock(dagster_run=_run(**{tag: CONFIG}))

    with pytest.raises(PermanentError, match=f"the run has the tag {tag}, which would change its pod"):
        getattr(launcher, start)(context)


def test_only_the_named_job_gets_the_other_service_account(launcher: ConfinedK8sRunLauncher) -> None:
    assert _account(launcher, _run_of(retention.JOB_NAME, named=retention.JOB_NAME)) == "erasing"
    for other in ("s3_data_quality_job", f"{retention.JOB_NAME}_2", "__ASSET_JOB"):
        assert _account(launcher, _run_of(other, named=other)) == "runs"
    assert _account(launcher, _run()) == "runs"


def test_neither_a_tag_nor_the_recorded_name_makes_a_run_one_of_the_named_job(launcher: ConfinedK8sRunLauncher) -> None:
    tags = {"dagster-k8s/config": json.dumps({"pod_spec_config": {"service_account_name": "erasing"}})}

    assert _account(launcher, _run_of("s3_data_quality_job", named=retention.JOB_NAME, **tags)) == "runs"
    # The pod of such a run would have the account, and executes nothing else.
    assert _account(launcher, _run_of(retention.JOB_NAME, named="s3_data_quality_job")) == "erasing"


def test_the_config_of_the_chart_is_the_config_of_the_launcher(launcher: ConfinedK8sRunLauncher) -> None:
    config = {
        "service_account_name": "runs",
        "instance_config_map": "instance",
        "dagster_home": "/home",
        "service_accounts_by_job": {retention.JOB_NAME: "erasing"},
    }
    checked = process_config(ConfinedK8sRunLauncher.config_type(), config)
    assert checked.success, checked.errors

    made = ConfinedK8sRunLauncher.from_config_value(None, checked.value)
    assert _account(made, _run_of(retention.JOB_NAME, named=retention.JOB_NAME)) == "erasing"
    assert not process_config(
        ConfinedK8sRunLauncher.config_type(), config | {"service_accounts_by_job": ["erasing"]}
    ).success
