"""manage.sh of both stacks: the order of its calls, their arguments, and what stops it."""

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl_platform.local.stack import REPOSITORY, inherited_environment
from etl_platform_tests.deploy import helm_chart
from etl_platform_tests.deploy.helm_pods import pods
from etl_platform_tests.deploy.script_checkout import (
    DEPLOYED,
    DIGEST,
    OUTPUTS,
    PASSWORD,
    REGISTRY,
    ROLE,
    Checkout,
    make_checkout,
)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path)


def test_apply_changes_aws_first_and_then_deploys_its_outputs(checkout: Checkout) -> None:
    done = checkout.run("manage.sh", "apply", "--yes")

    assert done.returncode == 0, done.stderr
    assert checkout.steps() == ["terraform apply", "kubeconfig", *DEPLOYED]
    (applied,) = [line for line in checkout.programs.lines("terraform") if " apply" in line]
    assert applied.endswith(" apply -auto-approve")
    (upgrade,) = [call for call in checkout.programs.calls() if call.line.startswith("helm upgrade")]
    assert "--install etl-platform " in upgrade.line
    assert "--namespace file-processing" in upgrade.line
    assert upgrade.values is not None
    assert upgrade.values["image"] == {"repository": f"{REGISTRY}@sha256", "tag": "5e" * 32}
    assert "ATTACHMENTS_SOURCE_BUCKET" not in upgrade.values["config"], "null is the chart's own value, not a name"


def test_the_namespace_refuses_privileged_pods_before_anything_runs_in_it(checkout: Checkout) -> None:
    checkout.run("manage.sh", "apply", "--yes")

    lines = checkout.programs.lines("kubectl", "helm")
    labelled = "kubectl label namespace file-processing pod-security.kubernetes.io/enforce=restricted --overwrite"
    (upgraded,) = [line for line in lines if line.startswith("helm upgrade")]
    assert lines.index(labelled) < lines.index(upgraded)


def test_without_yes_terraform_asks(checkout: Checkout) -> None:
    checkout.run("manage.sh", "apply", "-var=vpc_id=vpc-1")

    (applied,) = [line for line in checkout.programs.lines("terraform") if " apply" in line]
    assert applied.endswith(" apply -var=vpc_id=vpc-1")


def test_every_call_uses_terraforms_cluster_and_not_the_users_kubeconfig(checkout: Checkout) -> None:
    checkout.programs.answer("terraform", "console", out='"\\"their-profile\\""\n')

    checkout.run("manage.sh", "apply", "--yes", KUBECONFIG="/someone/else")

    calls = [call for call in checkout.programs.calls() if call.line.split()[0] in {"kubectl", "helm"}]
    (configured,) = {call.environment["KUBECONFIG"] for call in calls}
    assert configured != "/someone/else"
    (asked,) = [call for call in checkout.programs.calls() if "update-kubeconfig" in call.line]
    assert f"--name file-processing-cluster --kubeconfig {configured}" in asked.line
    assert (asked.environment["AWS_PROFILE"], asked.environment["AWS_REGION"]) == ("their-profile", "us-gov-west-1")
    assert not Path(configured).exists()


def passwords(checkout: Checkout) -> dict[str, str]:
    """What was put into each Secret of the database."""
    made = [
        call for call in checkout.programs.calls() if "create secret generic file-processing-postgresql" in call.line
    ]
    return {call.line.split("generic ")[1].split()[0]: call.stdin for call in made}


def test_passwords_of_the_database_are_on_no_command_line(checkout: Checkout) -> None:
    done = checkout.run("manage.sh", "apply", "--yes")

    made = passwords(checkout)
    assert made["file-processing-postgresql-owner"] == PASSWORD
    assert len(made["file-processing-postgresql"]) > 40
    for password in made.values():
        calls = checkout.programs.calls()
        assert not any(password in call.line or password in call.environment.values() for call in calls)
        assert password not in done.stdout + done.stderr


def test_dagsters_own_password_is_made_once(checkout: Checkout) -> None:
    checkout.programs.answer("kubectl", "get secret file-processing-postgresql ", out="dagster_service")

    done = checkout.run("manage.sh", "apply", "--yes")

    assert done.returncode == 0, done.stderr
    assert set(passwords(checkout)) == {"file-processing-postgresql-owner"}
    assert "rollout restart" not in "".join(checkout.programs.lines("kubectl"))


@pytest.mark.parametrize("fails", [False, True])
def test_the_owners_password_leaves_the_cluster_when_the_login_is_made(checkout: Checkout, fails: bool) -> None:
    if fails:
        checkout.programs.answer("helm upgrade", err="timed out", code=1)

    done = checkout.run("manage.sh", "apply", "--yes")

    assert done.returncode == int(fails)
    lines = checkout.programs.lines("kubectl", "helm")
    (upgrade,) = [index for index, line in enumerate(lines) if line.startswith("helm upgrade")]
    (forgotten,) = [
        index for index, line in enumerate(lines) if "delete secret file-processing-postgresql-owner" in line
    ]
    assert upgrade < forgotten


def test_a_password_in_tfvars_is_read_through_terraform(checkout: Checkout) -> None:
    checkout.outputs(database_secret_arn=None)
    checkout.programs.answer("terraform", "console", out=json.dumps(json.dumps(PASSWORD)))

    checkout.run("manage.sh", "apply", "--yes")

    assert passwords(checkout)["file-processing-postgresql-owner"] == PASSWORD
    asked = [call.stdin for call in checkout.programs.calls() if call.line.endswith("console")]
    assert asked == ["jsonencode(nonsensitive(var.aws_profile))\n", "jsonencode(nonsensitive(var.db_password))\n"]


def test_var_arguments_apply_when_a_variable_is_read(checkout: Checkout) -> None:
    given = "-var=aws_profile=theirs -var-file=prod.tfvars"

    checkout.run("manage.sh", "apply", "--yes", *given.split(), "-parallelism=2")

    (asked,) = [line for line in checkout.programs.lines("terraform") if " console" in line]
    assert asked.endswith(f" console {given}")


def test_a_cluster_of_the_same_name_in_another_account_is_left_alone(checkout: Checkout) -> None:
    checkout.programs.answer("kubectl", "config view", out="https://4567.gr7.us-gov-west-1.eks.amazonaws.com")

    for command in (("apply", "--yes"), ("update-image",), ("destroy", "--yes")):
        done = checkout.run("manage.sh", *command)
        assert done.returncode == 1
        assert "belong to another cluster file-processing-cluster" in done.stderr
    assert set(checkout.steps()) == {"terraform apply", "kubeconfig"}


def test_update_image_takes_no_argument_of_terraform(checkout: Checkout) -> None:
    done = checkout.run("manage.sh", "update-image", "-var=image=x")

    assert done.returncode == 2
    assert "update-image does not take '-var=image=x'" in done.stderr


def given_to_helm(checkout: Checkout) -> list[str]:
    (upgrade,) = [line for line in checkout.programs.lines("helm") if line.startswith("helm upgrade")]
    return re.findall(r"--(?:values|set-string) (\S+)", upgrade)


def test_without_values_files_the_release_keeps_its_values(checkout: Checkout) -> None:
    checkout.programs.answer("helm list", out="etl-platform\n")
    checkout.programs.answer("helm get values", out='{"environment": "prod"}')

    done = checkout.run("manage.sh", "apply", "--yes")

    assert done.returncode == 0, done.stderr
    assert "helm get values etl-platform --namespace file-processing --output json" in checkout.programs.lines("helm")
    assert [Path(path).name for path in given_to_helm(checkout)[:2]] == ["release.json", "values.json"]


def test_values_files_apply_in_order_and_terraforms_outputs_override_them(checkout: Checkout) -> None:
    checkout.programs.answer("helm list", out="etl-platform\n")
    files = [str(helm_chart.CHART / f"values-{name}.yaml") for name in ("staging", "contracts-s3")]

    missing = checkout.run("manage.sh", "update-image", HELM_VALUES=f"{files[0]},not-there.yaml")
    assert missing.returncode == 1
    assert "the file not-there.yaml does not exist" in missing.stderr
    assert checkout.steps() == []
    done = checkout.run("manage.sh", "apply", "--yes", HELM_VALUES=",".join(files))

    assert done.returncode == 0, done.stderr
    own, contracts, image, of_terraform, _ = given_to_helm(checkout)
    assert [own, contracts] == files
    assert image.endswith(f".initContainers[0].image={OUTPUTS['image']}")
    assert Path(of_terraform).name == "values.json"


def test_the_official_charts_webserver_restarts_if_a_setting_changes_and_not_otherwise(
    checkout: Checkout, tmp_path: Path
) -> None:
    checksums = []
    for settings in ("LOG_LEVEL: INFO", "LOG_LEVEL: INFO", "LOG_LEVEL: DEBUG"):
        checkout.programs.answer("helm template", "--show-only templates/configmap.yaml", out=settings)
        done = checkout.run("manage.sh", "apply", "--yes")
        assert done.returncode == 0, done.stderr
        upgrade = [line for line in checkout.programs.lines("helm") if line.startswith("helm upgrade")][-1]
        checksums += re.findall(r"--set-string (dagster\S+checksum/config)=(\S+)", upgrade)
    names, (first, second, third) = zip(*checksums, strict=True)
    assert first == second != third

    chart, values = helm_chart.copy_chart(tmp_path), [helm_chart.CHART / "values-staging.yaml"]
    rendered = helm_chart.objects(helm_chart.template(chart, values, {names[0]: first}).stdout)
    webserver = helm_chart.one(rendered, "Deployment", "etl-platform-dagster-webserver")
    assert webserver["spec"]["template"]["metadata"]["annotations"] == {"checksum/config": first}


def test_pods_are_restarted_after_the_release_if_their_password_is_new(checkout: Checkout) -> None:
    done = checkout.run("manage.sh", "apply", "--yes")

    assert done.returncode == 0, done.stderr
    lines = checkout.programs.lines("kubectl", "helm")
    (restarted,) = [index for index, line in enumerate(lines) if "rollout restart deployment --selector" in line]
    (upgrade,) = [index for index, line in enumerate(lines) if line.startswith("helm upgrade")]
    assert upgrade < restarted, "the login has the new password only then"


def test_terraform_evaluates_a_variable(tmp_path: Path) -> None:
    folder = tmp_path / "terraform"
    folder.mkdir()
    (folder / "variables.tf").write_text(
        'variable "aws_profile" { default = "etl-playground" }\n'
        'variable "db_password" {\n  default = null\n  sensitive = true\n}\n'
        'variable "image" { default = "" }\n'
    )
    (folder / "terraform.tfvars").write_text('# aws_profile = "theirs"\naws_profile = "mine" # image = "x"\n')
    sources = " && ".join(
        f"source '{REPOSITORY}/infra/scripts/{name}.sh'" for name in ("aws_target", "terraform_stack")
    )
    asked = 'for name in aws_profile db_password image; do echo "[$(tf_variable $name)]"; done'
    environment = inherited_environment() | {"TF_VAR_db_password": PASSWORD}

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{sources} && stack='{tmp_path}' && {asked}"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )

    assert done.stdout.splitlines() == ["[mine]", f"[{PASSWORD}]", "[]"], done.stderr


@pytest.mark.parametrize(
    ("failing", "last"),
    [
        (("terraform", " apply"), "terraform apply"),
        (("aws", "update-kubeconfig"), "kubeconfig"),
        (("kubectl", "generic file-processing-postgresql-owner"), "namespace"),
        (("kubectl", "generic file-processing-postgresql --"), "database secret"),
        (("helm", "upgrade"), "upgrade"),
        (("kubectl", "rollout status"), "rollout"),
    ],
)
def test_a_step_that_fails_is_the_last(checkout: Checkout, failing: tuple[str, str], last: str) -> None:
    checkout.programs.answer(*failing, err="it is broken", code=1)

    done = checkout.run("manage.sh", "apply", "--yes")

    assert done.returncode == 1
    assert "it is broken" in done.stderr
    assert "deployed" not in done.stdout
    assert checkout.steps()[-1] == last


@pytest.mark.parametrize("stack", ["foundation_network", "file_processing"])
def test_the_first_apply_downloads_the_provider_itself(checkout: Checkout, stack: str) -> None:
    (checkout.folder / "infra" / stack / "terraform" / ".terraform").rmdir()
    checkout.outputs(image=None)

    planned = checkout.run("manage.sh", "plan", stack=stack)
    done = checkout.run("manage.sh", "apply", "--yes", stack=stack)

    assert planned.returncode == 1
    assert "is not initialized; run" in planned.stderr
    assert done.returncode == 0, done.stderr
    commands = [line.partition("/terraform ")[2].split()[0] for line in checkout.programs.lines("terraform")]
    assert commands[:2] == ["init", "apply"]


def test_the_first_apply_has_no_image_and_names_the_next_command(checkout: Checkout) -> None:
    checkout.outputs(image=None)

    done = checkout.run("manage.sh", "apply", "--yes")

    assert done.returncode == 0
    assert checkout.steps() == ["terraform apply"]
    assert "manage.sh update-image" in done.stdout


def test_update_image_pushes_pins_the_digest_deploys_it_and_waits(checkout: Checkout) -> None:
    base = f"registry.example.org/python:3.12-slim@sha256:{'0' * 64}"
    done = checkout.run("manage.sh", "update-image", BASE_IMAGE=base)

    assert done.returncode == 0, done.stderr
    assert checkout.image_file.read_text() == f"{REGISTRY}@{DIGEST}\n"
    assert checkout.steps() == ["kubeconfig", "log in", "build", *DEPLOYED]
    (build,) = [line for line in checkout.programs.lines("docker") if "buildx build" in line]
    assert "--platform linux/amd64,linux/arm64" in build
    assert f"--build-arg BASE_IMAGE={base}" in build
    assert f"--tag {REGISTRY}:0123456789ab" in build
    (upgrade,) = [call for call in checkout.programs.calls() if call.line.startswith("helm upgrade")]
    assert upgrade.values is not None
    assert upgrade.values["dagster"]["dagsterWebserver"]["image"]["tag"] == "5e" * 32
    (rollout,) = [line for line in checkout.programs.lines("kubectl") if "rollout status" in line]
    assert "rollout status deployment --selector app.kubernetes.io/instance=etl-platform --timeout 15m" in rollout


@pytest.mark.parametrize(
    "answer", [{"code": 1, "err": "no space"}, {"metadata": json.dumps({"containerimage.digest": "latest"})}]
)
def test_a_build_without_digest_pins_and_deploys_nothing(checkout: Checkout, answer: dict[str, Any]) -> None:
    checkout.image_file.write_text("what was pinned before\n")
    checkout.programs.answer("docker", "buildx build", **answer)

    done = checkout.run("manage.sh", "update-image")

    assert done.returncode == 1
    assert checkout.image_file.read_text() == "what was pinned before\n"
    assert checkout.steps()[-1] == "build"


def test_an_image_in_tfvars_would_undo_the_pin_and_is_refused(checkout: Checkout) -> None:
    checkout.programs.answer("terraform", "console", out='"\\"example.org/an:image\\""\n')

    done = checkout.run("manage.sh", "update-image")

    assert done.returncode == 1
    assert "terraform.tfvars sets image" in done.stderr
    assert checkout.steps() == []


def test_without_the_official_chart_nothing_is_changed(checkout: Checkout) -> None:
    shutil.rmtree(checkout.folder / "helm")

    done = checkout.run("manage.sh", "update-image")

    assert done.returncode == 1
    assert "make helm-deps" in done.stderr
    assert checkout.programs.calls() == []


def test_destroy_asks_and_accepts_only_yes(checkout: Checkout) -> None:
    for typed in ("", "y\n", "no\n"):
        done = checkout.run("manage.sh", "destroy", typed=typed)
        assert done.returncode == 1
        assert "cluster file-processing-cluster" in done.stderr
    assert checkout.steps() == []

    assert checkout.run("manage.sh", "destroy", typed="yes\n").returncode == 0
    assert checkout.steps() == ["kubeconfig", "uninstall", "terraform destroy"]


def holds(checkout: Checkout, *, deletion_protection: bool = False) -> None:
    """Terraform's state has a bucket that it made, one that it only looked at, and the database."""
    bucket = {"mode": "managed", "type": "aws_s3_bucket", "values": {"bucket": "made-here"}}
    adopted = {"mode": "data", "type": "aws_s3_bucket", "values": {"bucket": "there-before"}}
    protected = {"identifier": "dagster", "deletion_protection": deletion_protection}
    database = {"mode": "managed", "type": "aws_db_instance", "values": protected}
    state = {"values": {"root_module": {"resources": [bucket, adopted, database]}}}
    checkout.programs.answer("terraform", "show -json", out=json.dumps(state))


@pytest.mark.parametrize(
    ("listed", "deletion_protection", "says"),
    [
        ({"out": "bronze/a.csv\n"}, False, "made-here still contains versions, such as of bronze/a.csv"),
        ({"err": "AccessDenied", "code": 254}, False, "cannot list the bucket made-here"),
        ({"out": "None\n"}, True, "-var=db_deletion_protection=false' first"),
    ],
)
def test_an_obstacle_stops_destroy_before_anything_is_deleted(
    checkout: Checkout, listed: dict[str, Any], deletion_protection: bool, says: str
) -> None:
    holds(checkout, deletion_protection=deletion_protection)
    checkout.programs.answer("aws", "list-object-versions", **listed)

    done = checkout.run("manage.sh", "destroy", "--yes")

    assert done.returncode == 1
    assert says in done.stderr
    assert checkout.steps() == []


def test_empty_buckets_and_a_database_without_protection_are_destroyed(checkout: Checkout) -> None:
    holds(checkout)
    checkout.programs.answer("aws", "list-object-versions --bucket made-here", out="None\n")
    checkout.programs.answer("aws", "list-object-versions --bucket there-before", out="bronze/a.csv\n")

    assert checkout.run("manage.sh", "destroy", "--yes").returncode == 0
    assert checkout.steps() == ["kubeconfig", "uninstall", "terraform destroy"]


def test_destroy_of_a_stack_that_was_never_applied_calls_no_cluster(checkout: Checkout) -> None:
    checkout.programs.answer("terraform", "output -json", out="{}")

    assert checkout.run("manage.sh", "destroy", "--yes").returncode == 0

    assert checkout.steps() == ["terraform destroy"]


def test_a_stack_that_is_not_initialized_is_reported(checkout: Checkout) -> None:
    for stack in ("foundation_network", "file_processing"):
        shutil.rmtree(checkout.folder / "infra" / stack / "terraform" / ".terraform")
        done = checkout.run("manage.sh", "plan", stack=stack)
        assert done.returncode == 1
        assert "manage.sh init" in done.stderr
        assert checkout.run("manage.sh", "init", stack=stack).returncode == 0


def test_the_network_has_the_same_commands_and_no_image(checkout: Checkout) -> None:
    for command in ("init", "plan", "apply", "destroy", "outputs"):
        assert checkout.run("manage.sh", command, "--yes", stack="foundation_network").returncode == 0
    done = checkout.run("manage.sh", "update-image", stack="foundation_network")

    commands = [line.partition("/terraform ")[2].split() for line in checkout.programs.lines("terraform")]
    assert commands == [["init"], ["plan"], ["apply", "-auto-approve"], ["destroy", "-auto-approve"], ["output"]]
    assert done.returncode == 2
    assert "file_processing/scripts/manage.sh update-image" in done.stderr


def test_the_former_name_warns_and_does_the_same(checkout: Checkout) -> None:
    done = checkout.run("manage_cluster.sh", "outputs", "topic_arn")

    assert done.returncode == 0
    assert "manage.sh" in done.stderr
    assert checkout.programs.lines("terraform")[-1].endswith(" output topic_arn")


@pytest.mark.parametrize("own_values", ["", "values-staging.yaml", "values-prod.yaml"])
def test_the_values_that_are_composed_pass_the_chart(checkout: Checkout, tmp_path: Path, own_values: str) -> None:
    checkout.run("manage.sh", "apply", "--yes")
    (upgrade,) = [call for call in checkout.programs.calls() if call.line.startswith("helm upgrade")]
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(upgrade.values))

    first = [helm_chart.CHART / own_values] if own_values else []

    done = helm_chart.template(helm_chart.copy_chart(tmp_path), [*first, values])

    assert done.returncode == 0, done.stderr
    rendered = helm_chart.objects(done.stdout)
    settings = helm_chart.one(rendered, "ConfigMap", "file-processing-config")["data"]
    assert settings["FILE_EVENTS_QUEUE_URL"] == OUTPUTS["file_events_queue_url"]
    assert settings["GATEWAY_ALLOWED_TOPIC_ARNS"] == OUTPUTS["topic_arn"]
    account = helm_chart.one(rendered, "ServiceAccount", "file-processing-sa")
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == ROLE
    (container,) = helm_chart.one(rendered, "Deployment", "file-processing-code")["spec"]["template"]["spec"][
        "containers"
    ]
    assert container["image"] == OUTPUTS["image"]
    assert OUTPUTS["database_host"] in helm_chart.dagster_yaml(rendered)
    deployments = [item["metadata"] for item in rendered if item["kind"] == "Deployment"]
    assert len(deployments) > 3
    assert {metadata["labels"]["app.kubernetes.io/instance"] for metadata in deployments} == {"etl-platform"}, (
        "the rollout of each is waited for by this label"
    )


def test_the_container_that_fetches_contracts_gets_the_image_of_the_release(checkout: Checkout, tmp_path: Path) -> None:
    files = [helm_chart.CHART / f"values-{name}.yaml" for name in ("staging", "contracts-s3")]
    checkout.run("manage.sh", "apply", "--yes", HELM_VALUES=",".join(map(str, files)))
    (upgrade,) = [call for call in checkout.programs.calls() if call.line.startswith("helm upgrade")]
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(upgrade.values))
    (setting,) = [given for given in given_to_helm(checkout) if "initContainers" in given]
    name, _, image = setting.partition("=")

    done = helm_chart.template(helm_chart.copy_chart(tmp_path), [*files, values], {name: image})

    assert done.returncode == 0, done.stderr
    (run,) = [pod for pod in pods(helm_chart.objects(done.stdout)) if pod.name == "run"]
    (fetching,) = run.spec["initContainers"]
    assert (fetching["image"], fetching["args"][:2]) == (OUTPUTS["image"], ["contract", "fetch"])


def test_terraform_has_every_output_that_is_read() -> None:
    declared = (REPOSITORY / "infra" / "file_processing" / "terraform" / "outputs.tf").read_text()
    scripts = REPOSITORY / "infra" / "file_processing" / "scripts"
    values = (scripts / "chart_values.py").read_text()
    same_name = runpy.run_path(str(scripts / "chart_values.py"))["SAME_NAME"]
    read = {name for name in re.findall(r'^output "(\w+)"', declared, re.MULTILINE) if name.endswith(same_name)}
    read |= set(re.findall(r"\$\(output (\w+)", (scripts / "manage.sh").read_text()))
    read |= set(re.findall(r'outputs\["(\w+)"\]', values)) | set(re.findall(r'": "(\w+)",$', values, re.MULTILINE))

    assert read == set(OUTPUTS), "the test's table is what is read"
    assert {name for name in read if f'output "{name}"' not in declared} == set()
