"""Tags of a run do not reach its pod. ``deploy/test_run_launcher.py`` starts such a run through the whole chart."""

import json
from unittest import mock

import dagster as dg
import pytest
from dagster_k8s import K8sRunLauncher

from etl_platform.defs.kubernetes_run_launcher import ConfinedK8sRunLauncher
from etl_platform.engine.errors import PermanentError

CONFIG = json.dumps({"container_config": {"image": "attacker.example.com/x"}, "pod_spec_config": {"hostNetwork": True}})
LIMITS = json.dumps({"limits": {"cpu": "64"}, "requests": {}})


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> ConfinedK8sRunLauncher:
    # Its constructor reads the cluster's address and token, which only a pod has.
    monkeypatch.setattr("dagster_k8s.launcher.load_kubernetes_config", lambda **_: None)
    return ConfinedK8sRunLauncher(
        service_account_name="runs", instance_config_map="instance", dagster_home="/home", job_namespace="platform"
    )


def _run(**tags: str) -> dg.DagsterRun:
    return dg.DagsterRun(job_name="job", tags=tags)


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
