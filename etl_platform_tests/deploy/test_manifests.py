"""What the chart renders: valid for Kubernetes, safe pods, names that fit, dagster.yaml as the repository has it."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

from etl_platform.cli.jobs import JOBS
from etl_platform.cli.main import build_parser
from etl_platform.defs.operations import retention
from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.helm_chart import (
    CHART,
    KUBERNETES,
    NAMESPACE,
    Rendered,
    copy_chart,
    dagster_yaml,
    objects,
    one,
    template,
)
from etl_platform_tests.deploy.helm_pods import Pod, pods, run_job
from etl_platform_tests.deploy.tools import tool

GOVCLOUD = REPOSITORY / "docs" / "deploy" / "govcloud.md"
EVENT = (REPOSITORY / "contracts" / "event.json").read_text()
EVERYTHING: dict[str, Any] = {
    "oneOffJobs.enabled": True,
    "oneOffJobs.eventJson": EVENT,
    "oneOffJobs.agencyId": 42,
    "contracts.source": "configMap",
    "contracts.files": {"training.odcs.yaml": (REPOSITORY / "contracts" / "training.odcs.yaml").read_text()},
    "imagePullSecrets": [{"name": "registry"}],
    "dagster.runLauncher.config.customRunLauncher.config.image_pull_secrets": [{"name": "registry"}],
    "gateway.nodeSelector": {"kubernetes.io/arch": "amd64"},
    "gateway.tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "gateway.ingress.tlsSecretName": "sns-tls",
    "gateway.service.annotations": {"any": "thing"},
    "codeServer.nodeSelector": {"kubernetes.io/arch": "arm64"},
    "codeServer.tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "serviceAccounts.roleArns.ui": "arn:aws-us-gov:iam::123456789012:role/file-processing-ui",
    "daemon.nodeSelector": {"kubernetes.io/arch": "arm64"},
    "daemon.tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "databaseLogin.ownerName": "owner",
    "ui.enabled": True,
    "ui.host": "etl.example.gov",
    "ui.login.issuerUrl": "https://login.example.gov",
    "ui.login.clientId": "etl-platform",
    "ui.login.allowedGroups": ["etl-operators"],
    "ui.ingress.tlsSecretName": "ui-tls",
    "ui.ingress.annotations": {"any": "thing"},
    "ui.image.repository": "registry.example.com/oauth2-proxy@sha256",
    "ui.image.tag": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "networkPolicies.uiFrom": [{"ipBlock": {"cidr": "10.40.0.0/16"}}],
    "networkPolicies.webserverFrom": [{"podSelector": {"matchLabels": {"app": "proxy"}}}],
    "networkPolicies.extraEgressPorts": [4566],
    "check.enabled": True,
    "check.host": "check.example.gov",
    "check.ingress.tlsSecretName": "check-tls",
    "networkPolicies.checkFrom": [{"ipBlock": {"cidr": "10.40.0.0/16"}}],
    "monitoring.serviceMonitor.labels": {"release": "prometheus"},
    "monitoring.prometheusRule.labels": {"release": "prometheus"},
}
VARIANTS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "dev": (("dev",), {}),
    "staging": (("staging",), {}),
    "prod": (("prod",), {}),
    "contracts from S3": (("staging", "contracts-s3"), {"oneOffJobs.enabled": True, "oneOffJobs.agencyId": "42"}),
    "everything": (("prod",), EVERYTHING),
}
CUSTOM_KINDS = {"ServiceMonitor", "PrometheusRule"}


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Rendered]]:
    chart = copy_chart(tmp_path_factory.mktemp("chart"))
    rendered = {}
    for name, (files, settings) in VARIANTS.items():
        answer = template(chart, [CHART / f"values-{file}.yaml" for file in files], settings)
        assert answer.returncode == 0, answer.stderr
        rendered[name] = objects(answer.stdout)
    return rendered


@pytest.fixture(params=VARIANTS)
def rendered(variants: dict[str, list[Rendered]], request: pytest.FixtureRequest) -> list[Rendered]:
    return variants[request.param]


@pytest.fixture
def everything(variants: dict[str, list[Rendered]]) -> list[Rendered]:
    return variants["everything"]


def test_every_object_is_valid_for_the_default_kubernetes(rendered: Sequence[Rendered], tmp_path: Path) -> None:
    path = tmp_path / "rendered.yaml"
    known = [item for item in rendered if item["kind"] not in CUSTOM_KINDS]
    path.write_text(yaml.safe_dump_all([*known, run_job(rendered)]))
    validate = [tool("kubernetes-validate"), "--kubernetes-version", KUBERNETES, "--strict", str(path)]
    answer = subprocess.run(validate, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert (answer.stdout + answer.stderr).count(" passed ") == len(known) + 1


def test_no_pod_runs_as_root_gains_rights_or_writes_its_root(rendered: Sequence[Rendered]) -> None:
    for pod in pods(rendered):
        outer = pod.spec["securityContext"]
        assert (outer["runAsNonRoot"], outer["runAsUser"], outer["runAsGroup"]) == (True, 1000, 1000), pod.name
        assert outer["seccompProfile"] == {"type": "RuntimeDefault"}, pod.name
        for container in pod.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (pod.name, container["name"])


def test_every_container_has_requests_and_limits_and_a_place_for_temporary_files(rendered: Sequence[Rendered]) -> None:
    for pod in pods(rendered):
        volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
        assert len(volumes) == len(pod.spec["volumes"]), (pod.name, "one volume twice")
        for container in pod.containers:
            for bound in ("requests", "limits"):
                assert {"cpu", "memory", "ephemeral-storage"} == set(container["resources"][bound]), (
                    pod.name,
                    container["name"],
                )
            places = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
            assert "emptyDir" in volumes[places["/tmp"]], (pod.name, container["name"])
            assert len(places) == len(container["volumeMounts"]), (pod.name, "one path twice")
            assert set(places.values()) <= set(volumes), (pod.name, "a mount without a volume")


def test_the_limit_of_a_pods_disk_has_room_for_its_folders_and_logs(rendered: Sequence[Rendered]) -> None:
    # The kubelet ends a pod whose folders and logs take more than its containers may.
    logs = size_bytes("64Mi")
    for pod in pods(rendered):
        folders = [volume["emptyDir"] for volume in pod.spec["volumes"] if "emptyDir" in volume]
        limit = sum(size_bytes(c["resources"]["limits"]["ephemeral-storage"]) for c in pod.spec["containers"])
        assert sum(size_bytes(folder["sizeLimit"]) for folder in folders) + logs <= limit, pod.name


def test_a_node_has_the_disk_that_its_pods_request_or_one_run_at_its_limit(rendered: Sequence[Rendered]) -> None:
    terraform = (REPOSITORY / "infra" / "file_processing" / "terraform" / "eks.tf").read_text()
    (disk,) = re.findall(r"volume_size += (\d+)", terraform)
    # The kubelet ends pods when a tenth is left; system and images take some gigabytes.
    usable = int(disk) * 2**30 * 0.9 - size_bytes("8Gi")
    disks = {pod.name: [c["resources"] for c in pod.spec["containers"]] for pod in pods(rendered)}
    requested = {name: sum(size_bytes(r["requests"]["ephemeral-storage"]) for r in of) for name, of in disks.items()}
    run = requested.pop("run")
    assert sum(requested.values()) + 3 * run <= usable
    assert size_bytes(disks["run"][0]["limits"]["ephemeral-storage"]) <= usable


def size_bytes(quantity: str) -> int:
    units = {"Mi": 2**20, "Gi": 2**30}
    return int(quantity[:-2]) * units[quantity[-2:]]


def test_what_starts_and_feeds_runs_gets_room_on_a_node_before_them(rendered: Sequence[Rendered]) -> None:
    made = one(rendered, "PriorityClass", f"{NAMESPACE}-service")
    assert (made["value"] > 0, made["globalDefault"]) == (True, False)
    classes = {pod.labels["app"]: pod.spec.get("priorityClassName") for pod in pods(rendered)}
    first = {app for app, name in classes.items() if name == made["metadata"]["name"]}
    served = {f"file-processing-{name}" for name in ("sns", "metrics", "code", "daemon")}
    assert first - {"file-processing-ui"} == served
    # The official chart has no key for that of the webserver, which only shows.
    assert {name for app, name in classes.items() if app not in first} == {None}


def test_gateways_and_runs_are_spread_over_zones_and_nodes(rendered: Sequence[Rendered]) -> None:
    spread = {pod.labels["app"]: pod.spec.get("topologySpreadConstraints") for pod in pods(rendered)}
    assert {app for app, found in spread.items() if found} == {"file-processing-sns", "file-processing-run"}
    for app in ("file-processing-sns", "file-processing-run"):
        assert [one["topologyKey"] for one in spread[app]] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        assert all(one["labelSelector"] == {"matchLabels": {"app": app}} for one in spread[app])


def test_without_the_right_to_make_a_priority_class_the_chart_names_none(tmp_path: Path) -> None:
    answer = template(copy_chart(tmp_path), [CHART / "values-staging.yaml"], {"priorityClass.create": False})
    assert answer.returncode == 0, answer.stderr
    assert "riorityClass" not in answer.stdout


def test_every_pod_keeps_to_the_restricted_standard_of_its_namespace(rendered: Sequence[Rendered]) -> None:
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/: what the two tests above do not state.
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    for pod in pods(rendered):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec), pod.name
        assert all(set(volume) - {"name"} <= allowed for volume in pod.spec["volumes"]), pod.name
        assert not [port for c in pod.containers for port in c.get("ports", []) if "hostPort" in port], pod.name


def test_only_webservers_and_daemon_hold_a_token_for_the_cluster(rendered: Sequence[Rendered]) -> None:
    holding = {pod.labels["app"] for pod in pods(rendered) if pod.spec.get("automountServiceAccountToken") is not False}
    assert holding - {"file-processing-ui"} == {"file-processing-webserver", "file-processing-daemon"}


def test_the_webserver_without_a_login_is_read_only(rendered: Sequence[Rendered]) -> None:
    for pod in pods(rendered):
        for container in pod.containers:
            if any("dagster-webserver" in word for word in container.get("command", [])):
                assert {"name": "DAGSTER_WEBSERVER_READ_ONLY", "value": "true"} in container["env"], pod.name


def test_the_writable_ui_is_reached_through_the_login_only(everything: Sequence[Rendered]) -> None:
    pod = one(everything, "Deployment", "file-processing-ui")["spec"]["template"]["spec"]
    login, webserver = pod["containers"]
    assert {"--upstream=http://127.0.0.1:3000", "--allowed-group=etl-operators"} <= set(login["args"])
    assert webserver["args"][:3] == ["ui", "--origin", "https://etl.example.gov"]
    (port,) = one(everything, "Service", "file-processing-ui")["spec"]["ports"]
    assert port["targetPort"] == "login"
    (rule,) = one(everything, "NetworkPolicy", "file-processing-ui")["spec"]["ingress"]
    assert [port["port"] for port in rule["ports"]] == [4180]
    assert "secretRef" not in json.dumps(webserver["envFrom"])


def test_the_writable_ui_is_off_unless_it_is_asked_for(variants: dict[str, list[Rendered]]) -> None:
    for name in ("dev", "staging", "prod"):
        assert "file-processing-ui" not in {item["metadata"]["name"] for item in variants[name]}


def test_no_container_works_in_another_folder_than_the_images_own(rendered: Sequence[Rendered]) -> None:
    # A .env in the working directory sets settings, so nobody may write there.
    assert {c.get("workingDir") for pod in pods(rendered) for c in pod.containers} == {None}


def test_no_pod_connects_or_is_connected_to_without_a_policy_that_says_so(rendered: Sequence[Rendered]) -> None:
    deny = one(rendered, "NetworkPolicy", "file-processing-default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in (item["spec"] for item in rendered if item["kind"] == "NetworkPolicy"):
        # A rule without peers would allow everybody; egress goes to AWS, which has no fixed addresses.
        assert all(rule.get("from") for rule in policy.get("ingress", []))


ACCOUNTS = {
    "file-processing-sns": "file-processing-gateway",
    "file-processing-metrics": "file-processing-metrics",
    "file-processing-check": "file-processing-check",
    "file-processing-code": "file-processing-code",
    "file-processing-run": "file-processing-sa",
    "file-processing-job": "file-processing-sa",
    "file-processing-commands": "file-processing-commands",
    "file-processing-doctor": "file-processing-doctor",
    "file-processing-ui": "file-processing-ui",
    "file-processing-daemon": "file-processing-daemon",
    "file-processing-webserver": "file-processing-webserver",
    "file-processing-database-login": "default",
}
SECRETS = {
    "file-processing-sns": set[str](),
    "file-processing-check": {"file-processing-check-tokens"},
    "file-processing-metrics": {"file-processing-admin", "file-processing-postgresql"},
    "file-processing-daemon": {"file-processing-postgresql"},
    "file-processing-database-login": {"file-processing-postgresql", "file-processing-postgresql-owner"},
    "file-processing-webserver": {"file-processing-postgresql"},
    "file-processing-ui": {"file-processing-postgresql", "file-processing-ui"},
}
"""Of the other pods, which read contracts: the database of the application, and Dagster's."""


def test_no_aws_key_is_in_a_pod_and_each_component_has_a_service_account(rendered: Sequence[Rendered]) -> None:
    assert "AWS_ACCESS_KEY_ID" not in yaml.safe_dump_all(rendered)
    assert "AWS_SECRET_ACCESS_KEY" not in yaml.safe_dump_all(rendered)
    made = {item["metadata"]["name"] for item in rendered if item["kind"] == "ServiceAccount"} | {"default"}
    for pod in pods(rendered):
        assert pod.spec["serviceAccountName"] == ACCOUNTS[pod.labels["app"]], pod.name
        assert pod.spec["serviceAccountName"] in made


def test_each_component_has_only_the_secrets_that_it_needs(rendered: Sequence[Rendered]) -> None:
    for pod in pods(rendered):
        _, secrets = referred(pod)
        # The launcher adds the login to Dagster's database to a run.
        of_code = {"file-processing-secrets", "file-processing-postgresql"} - (
            {"file-processing-postgresql"} if pod.name == "run" else set()
        )
        assert secrets == SECRETS.get(pod.labels["app"], of_code), pod.name


def test_the_gateway_serves_posts_only_and_has_nothing_of_dagster(rendered: Sequence[Rendered]) -> None:
    pod = one(rendered, "Deployment", "file-processing-sns")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][:3] == ["gateway", "--only", "webhook"]
    assert "initContainers" not in pod
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]
    assert "env" not in container


def test_what_reads_files_of_the_internet_has_no_role_and_no_connection_of_its_own(
    everything: Sequence[Rendered], variants: dict[str, list[Rendered]]
) -> None:
    pod = one(everything, "Deployment", "file-processing-check")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][:3] == ["gateway", "--only", "check"]
    assert [source for source in container["envFrom"] if "secretRef" in source] == []
    policy = one(everything, "NetworkPolicy", "file-processing-check")["spec"]
    assert (policy["policyTypes"], policy["egress"]) == (["Ingress", "Egress"], [])
    others = [item["spec"] for item in everything if item["kind"] == "NetworkPolicy" and item["spec"].get("egress")]
    selected = [each["podSelector"].get("matchExpressions", [{}])[0].get("values", []) for each in others]
    assert not [names for names in selected if "file-processing-check" in names]
    (path,) = one(everything, "Ingress", "file-processing-check")["spec"]["rules"][0]["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/check", "Prefix")
    assert not [item for item in variants["prod"] if item["metadata"]["name"] == "file-processing-check"], "off"


def test_service_accounts_are_annotated_with_their_roles(everything: Sequence[Rendered]) -> None:
    accounts = {item["metadata"]["name"]: item["metadata"] for item in everything if item["kind"] == "ServiceAccount"}
    assert set(accounts) == {*ACCOUNTS.values(), "file-processing-retention"} - {"default"}
    roles = {name: item.get("annotations", {}).get("eks.amazonaws.com/role-arn", "") for name, item in accounts.items()}
    without = {"file-processing-daemon", "file-processing-webserver", "file-processing-check"}
    assert {name for name, role in roles.items() if not role} == without
    assert len(set(roles.values()) - {""}) == len(roles) - len(without), "no role is that of two components"
    assert all(
        item["annotations"]["eks.amazonaws.com/sts-regional-endpoints"] == "true"
        for name, item in accounts.items()
        if roles[name]
    )


def test_only_the_job_that_erases_has_another_service_account_than_other_runs(rendered: Sequence[Rendered]) -> None:
    own = yaml.safe_load(dagster_yaml(rendered))["run_launcher"]["config"]["service_accounts_by_job"]
    assert own == {retention.JOB_NAME: "file-processing-retention"}
    assert one(rendered, "ServiceAccount", "file-processing-retention")
    assert "file-processing-retention" not in {pod.spec["serviceAccountName"] for pod in pods(rendered)}


def test_all_pods_run_one_image(rendered: Sequence[Rendered]) -> None:
    images = {c["image"] for pod in pods(rendered) if pod.name != "run" for c in pod.containers if c["name"] != "login"}
    assert len(images) == 1
    code = one(rendered, "Deployment", "file-processing-code")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "DAGSTER_CURRENT_IMAGE", "value": images.pop()} in code["env"]


def test_every_config_map_that_a_pod_needs_exists(rendered: Sequence[Rendered]) -> None:
    made = {item["metadata"]["name"] for item in rendered if item["kind"] == "ConfigMap"}
    for pod in pods(rendered):
        maps, _ = referred(pod)
        assert maps <= made, pod.name


def referred(pod: Pod) -> tuple[set[str], set[str]]:
    """Names of the ConfigMaps and Secrets without which a pod does not start."""
    found: tuple[set[str], set[str]] = (set(), set())
    for volume in pod.spec["volumes"]:
        if "configMap" in volume and not volume["configMap"].get("optional"):
            found[0].add(volume["configMap"]["name"])
        if "secret" in volume and not volume["secret"].get("optional"):
            found[1].add(volume["secret"]["secretName"])
    for container in pod.containers:
        for source in container.get("envFrom", []):
            kind = "configMapRef" if "configMapRef" in source else "secretRef"
            found[kind == "secretRef"].add(source[kind]["name"])
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                found[1].add(variable["valueFrom"]["secretKeyRef"]["name"])
    return found


def test_containers_with_our_entry_point_have_valid_arguments(rendered: Sequence[Rendered]) -> None:
    checked = 0
    for pod in pods(rendered):
        for container in pod.containers:
            if "command" not in container and container["name"] != "login":
                arguments = [a.replace("$(CONTRACTS_S3_URL)", "s3://bucket/contracts/") for a in container["args"]]
                parsed = build_parser().parse_args(arguments)
                if arguments[0] == "run":
                    assert parsed.job in JOBS
                checked += 1
    assert checked >= 2


def test_services_find_their_pods_and_ports(rendered: Sequence[Rendered]) -> None:
    for service in (item for item in rendered if item["kind"] == "Service"):
        selector = service["spec"]["selector"]
        (pod,) = [pod for pod in pods(rendered) if selector.items() <= pod.labels.items()]
        ports = [port for container in pod.containers for port in container.get("ports", [])]
        open_ports = {port[key] for port in ports for key in ("name", "containerPort")}
        # The official chart names no target; then it is the port's own number.
        assert {port.get("targetPort", port["port"]) for port in service["spec"]["ports"]} <= open_ports


def test_every_network_policy_selects_existing_pods_and_open_ports(
    rendered: Sequence[Rendered],
) -> None:
    for policy in (item["spec"] for item in rendered if item["kind"] == "NetworkPolicy"):
        chosen = [pod for pod in pods(rendered) if selects(policy["podSelector"], pod)]
        assert chosen
        for pod in chosen:
            open_ports = {port["containerPort"] for c in pod.containers for port in c.get("ports", [])}
            assert {port["port"] for rule in policy.get("ingress", []) for port in rule["ports"]} <= open_ports


def selects(selector: dict[str, Any], pod: Pod) -> bool:
    named = selector.get("matchLabels", {}).items() <= pod.labels.items()
    return named and all(pod.labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", []))


def test_webserver_and_daemon_reach_the_code_server_through_its_service(rendered: Sequence[Rendered]) -> None:
    workspace = one(rendered, "ConfigMap", "etl-platform-dagster-workspace-yaml")["data"]["workspace.yaml"]
    (server,) = [item["grpc_server"] for item in yaml.safe_load(workspace)["load_from"]]
    ports = one(rendered, "Service", server["host"])["spec"]["ports"]
    assert server["port"] in {port["port"] for port in ports}


def test_only_the_daemon_may_start_runs_and_only_it_and_the_writable_ui_may_end_them(
    variants: dict[str, list[Rendered]],
) -> None:
    for name, rendered in variants.items():
        may: dict[str, set[str]] = {}
        for binding in (item for item in rendered if item["kind"] == "RoleBinding"):
            (subject,) = binding["subjects"]
            (jobs,) = [
                rule
                for rule in one(rendered, "Role", binding["roleRef"]["name"])["rules"]
                if rule["resources"] == ["jobs"]
            ]
            may[subject["name"]] = set(jobs["verbs"]) & {"create", "delete"}
        ui = {"file-processing-ui": {"delete"}} if name == "everything" else {}
        assert may == {"file-processing-daemon": {"create", "delete"}} | ui
        assert not [item for item in rendered if item["kind"] in {"ClusterRole", "ClusterRoleBinding"}]


def test_no_role_lets_a_pod_read_secrets_or_run_commands_in_others(everything: Sequence[Rendered]) -> None:
    rules = [rule for item in everything if item["kind"] == "Role" for rule in item["rules"]]
    named = {resource for rule in rules for resource in rule["resources"]}
    assert named == {"jobs", "jobs/status", "pods", "pods/log", "pods/status", "events"}
    assert all("create" not in rule["verbs"] for rule in rules if rule["resources"] != ["jobs"])


def test_each_deployment_selects_only_its_own_pods(rendered: Sequence[Rendered]) -> None:
    for item in (item for item in rendered if item["kind"] == "Deployment"):
        selector = item["spec"]["selector"]["matchLabels"]
        chosen = [pod.name for pod in pods(rendered) if selector.items() <= pod.labels.items()]
        assert chosen == [f"Deployment/{item['metadata']['name']}"]


def test_the_gateway_has_two_replicas_measured_resources_and_probes(variants: dict[str, list[Rendered]]) -> None:
    gateway = one(variants["prod"], "Deployment", "file-processing-sns")["spec"]
    container = gateway["template"]["spec"]["containers"][0]
    assert gateway["replicas"] == 2
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "128Mi"},
        "limits": {"cpu": "200m", "memory": "256Mi", "ephemeral-storage": "512Mi"},
    }
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    # While the database is away a gateway must not be restarted, only left out.
    assert {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")} == {"/healthz"}
    disruption = one(variants["prod"], "PodDisruptionBudget", "file-processing-sns")["spec"]
    assert disruption == {
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": {"app": "file-processing-sns"}},
    }


def test_long_running_containers_have_probes_and_the_import_of_dagster_fits_into_the_start(
    rendered: Sequence[Rendered],
) -> None:
    for item in (item for item in rendered if item["kind"] == "Deployment"):
        for container in item["spec"]["template"]["spec"]["containers"]:
            assert "livenessProbe" in container, item["metadata"]["name"]
            if item["metadata"]["name"] not in {"file-processing-daemon", "file-processing-commands"}:
                assert "readinessProbe" in container, item["metadata"]["name"]
                start = container["startupProbe"]
                assert start["periodSeconds"] * start["failureThreshold"] >= 120, item["metadata"]["name"]


def test_the_ingress_routes_only_the_path_of_sns_and_only_over_tls(variants: dict[str, list[Rendered]]) -> None:
    for name in ("prod", "everything"):
        ingress = one(variants[name], "Ingress", "file-processing-sns")
        (rule,) = ingress["spec"]["rules"]
        assert [(path["path"], path["pathType"]) for path in rule["http"]["paths"]] == [("/", "Exact")]
    assert ingress["spec"]["tls"] == [{"hosts": [rule["host"]], "secretName": "sns-tls"}]
    listening = json.loads(ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/listen-ports"])
    assert listening == [{"HTTPS": 443}]


def test_network_policies_allow_every_pod_dns_aws_and_the_database_but_no_node(
    variants: dict[str, list[Rendered]],
) -> None:
    rendered = variants["contracts from S3"]
    egress = one(rendered, "NetworkPolicy", "file-processing-egress")["spec"]
    (selected,) = egress["podSelector"]["matchExpressions"]
    assert {pod.labels["app"] for pod in pods(rendered)} <= set(selected["values"])
    assert egress["policyTypes"] == ["Egress"]
    assert {port["port"] for rule in egress["egress"] for port in rule["ports"]} == {53, 443, 5432}


def test_only_webservers_and_daemon_reach_the_code_server(everything: Sequence[Rendered]) -> None:
    (rule,) = one(everything, "NetworkPolicy", "file-processing-code")["spec"]["ingress"]
    (peer,) = rule["from"]
    (expression,) = peer["podSelector"]["matchExpressions"]
    assert set(expression["values"]) == {"file-processing-webserver", "file-processing-daemon", "file-processing-ui"}


def test_doctor_runs_every_five_minutes_and_never_concurrently(everything: Sequence[Rendered]) -> None:
    doctor = one(everything, "CronJob", "file-processing-doctor")["spec"]
    assert (doctor["schedule"], doctor["concurrencyPolicy"]) == ("*/5 * * * *", "Forbid")
    job = doctor["jobTemplate"]["spec"]
    assert job["activeDeadlineSeconds"] < 300
    assert job["template"]["spec"]["containers"][0]["args"] == ["doctor"]


def test_every_login_to_the_database_checks_its_certificate_if_it_is_given(tmp_path: Path) -> None:
    """The recipe of docs/deploy/govcloud.md."""
    (block,) = re.findall(r"```yaml\n(dagster:\n.*?)```", GOVCLOUD.read_text("utf-8"), re.DOTALL)
    given = yaml.safe_load(block)["dagster"]["postgresql"]["postgresqlParams"]
    settings = {f"dagster.postgresql.postgresqlParams.{name}": value for name, value in given.items()}
    answer = template(
        copy_chart(tmp_path), [CHART / "values-prod.yaml"], settings | {"databaseLogin.ownerName": "owner"}
    )
    rendered = objects(answer.stdout)

    storage = yaml.safe_load(dagster_yaml(rendered))
    for section in ("run_storage", "event_log_storage", "schedule_storage"):
        params = storage[section]["config"]["postgres_db"]["params"]
        assert {name: params[name] for name in given} == given
    login = one(rendered, "Job", "file-processing-database-login")["spec"]["template"]["spec"]["containers"][0]
    environment = {each["name"]: each.get("value") for each in login["env"]}
    assert (environment["PGSSLMODE"], environment["PGSSLROOTCERT"]) == ("verify-full", given["sslrootcert"])


def test_production_speaks_tls_of_fips_only(tmp_path: Path) -> None:
    rendered = objects(template(copy_chart(tmp_path), [CHART / "values-prod.yaml"]).stdout)
    assert one(rendered, "ConfigMap", "file-processing-config")["data"]["AWS_USE_FIPS_ENDPOINT"] == "true"
    ingress = one(rendered, "Ingress", "file-processing-sns")
    policy = ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/ssl-policy"]
    assert re.fullmatch(r"ELBSecurityPolicy-TLS13-1-[23](-\w+)*-FIPS(-PQ)?-20\d\d-\d\d", policy)


@pytest.mark.parametrize(
    ("name", "retries", "job"),
    [("s3-data-quality-job", 3, "s3_data_quality_job"), ("get-s3-files-job", 1, "get_s3_files_job")],
)
def test_one_off_jobs_run_once_with_the_settings_of_the_release(
    everything: Sequence[Rendered], name: str, retries: int, job: str
) -> None:
    spec = one(everything, "Job", name)["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert (spec["backoffLimit"], pod["restartPolicy"]) == (retries, "Never")
    assert container["args"][:3] == ["run", job, "--"]
    assert {"configMapRef": {"name": "file-processing-config"}} in container["envFrom"]
    assert {"secretRef": {"name": "file-processing-secrets"}} in container["envFrom"]
    if name == "s3-data-quality-job":
        assert json.loads(container["args"][4]) == json.loads(EVENT)


def test_run_jobs_have_the_measured_limits_and_are_kept_for_a_day(rendered: Sequence[Rendered]) -> None:
    job = run_job(rendered)["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert container["resources"]["requests"]["memory"] == "1Gi"
    assert container["resources"]["limits"]["memory"] == "2Gi"
    assert job["ttlSecondsAfterFinished"] == 86_400
    assert job["template"]["metadata"]["labels"] == {"app": "file-processing-run"}
    # It is given `dagster api execute_run …`, which the image's entry point would take for a command of its own.
    assert container["command"] == ["/usr/bin/env"]


def test_contracts_from_s3_are_fetched_before_every_pod_that_reads_them(variants: dict[str, list[Rendered]]) -> None:
    rendered = variants["contracts from S3"]
    assert one(rendered, "ConfigMap", "file-processing-config")["data"]["CONTRACTS_S3_URL"].startswith("s3://")
    reading = {f"file-processing-{name}" for name in ("code", "run", "job", "commands", "doctor")}
    for pod in pods(rendered):
        assert bool(pod.spec.get("initContainers")) is (pod.labels["app"] in reading), pod.name
        if pod.labels["app"] in reading:
            (fetching,) = pod.spec["initContainers"]
            assert fetching["args"][:2] == ["contract", "fetch"], pod.name


def test_contracts_from_the_values_are_mounted_at_contracts_dir(everything: Sequence[Rendered]) -> None:
    folder = one(everything, "ConfigMap", "file-processing-config")["data"]["CONTRACTS_DIR"]
    assert list(one(everything, "ConfigMap", "file-processing-contracts")["data"]) == ["training.odcs.yaml"]
    (run,) = [pod for pod in pods(everything) if pod.name == "run"]
    assert {"name": "contracts", "mountPath": folder, "readOnly": True} in run.containers[0]["volumeMounts"]


def test_dagster_is_configured_like_the_top_level_dagster_yaml(rendered: Sequence[Rendered]) -> None:
    here = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    there = yaml.safe_load(dagster_yaml(rendered))
    assert here.pop("run_launcher")["class"] != there["run_launcher"]["class"] == "ConfinedK8sRunLauncher"
    # One machine starts fewer runs at the same time than a cluster.
    limited, limited_there = (item["concurrency"]["runs"].pop("tag_concurrency_limits") for item in (here, there))
    assert [limit["key"] for limit in limited] == [limit["key"] for limit in limited_there]
    assert here["run_coordinator"]["config"].pop("dequeue_num_workers") > 1
    # A look at a run is a call of the cluster there, and a call of the code server here.
    polls = [item["run_monitoring"].pop("poll_interval_seconds") for item in (here, there)]
    assert polls == sorted(polls)
    missing = {name: section for name, section in here.items() if not contains(there.get(name), section)}
    assert missing == {}


def test_dagster_accepts_its_configuration(rendered: Sequence[Rendered], tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(dagster_yaml(rendered))
    config, _ = dagster_instance_config(str(tmp_path))
    assert config["concurrency"]["runs"]["max_concurrent_runs"] == 10


def contains(found: object, wanted: object) -> bool:
    """Everything that is wanted, and perhaps more."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return all(contains(found.get(key), value) for key, value in wanted.items())
    return found == wanted


def test_the_monitor_scrapes_a_port_that_the_service_has(everything: Sequence[Rendered]) -> None:
    monitor = one(everything, "ServiceMonitor", "file-processing-sns")
    assert set(monitor["spec"]) == {"selector", "endpoints"}
    service = one(everything, "Service", "file-processing-sns")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert set(endpoint) == {"port", "path", "interval", "scrapeTimeout"}


def test_the_operators_rules_are_those_of_the_file(everything: Sequence[Rendered]) -> None:
    rule = one(everything, "PrometheusRule", "file-processing")
    assert rule["apiVersion"] == "monitoring.coreos.com/v1"
    url = yaml.safe_load((CHART / "values.yaml").read_text())["monitoring"]["prometheusRule"]["runbookUrl"]
    files = sorted((CHART / "rules").glob("*.yaml"))
    text = [yaml.safe_load(path.read_text().replace("RUNBOOK_URL", url)) for path in files]
    assert rule["spec"] == {"groups": [group for file in text for group in file["groups"]]}
    # A template of Prometheus must pass through Helm's untouched.
    assert "{{ $labels.pipeline }}" in yaml.safe_dump(rule)


def test_checkov_finds_nothing_beside_the_baseline(everything: Sequence[Rendered], tmp_path: Path) -> None:
    path = tmp_path / "rendered.yaml"
    path.write_text(yaml.safe_dump_all(everything))
    scan = [
        tool("checkov"),
        "--file",
        str(path),
        "--framework",
        "kubernetes",
        "--output",
        "json",
        "--compact",
        "--quiet",
    ]
    answer = subprocess.run(scan, capture_output=True, text=True, check=False)
    failed = {(item["check_id"], item["resource"]) for item in json.loads(answer.stdout)["results"]["failed_checks"]}
    baseline = yaml.safe_load((CHART.parent / "checkov.baseline.yaml").read_text())
    accepted = {
        (check, resource)
        for check, resource in failed
        for entry in baseline
        if entry["check"] == check and resource in entry.get("resources", [resource])
    }
    assert failed - accepted == set()
    assert {entry["check"] for entry in baseline} == {check for check, _ in accepted}, (
        "the baseline has more than is found"
    )
