"""A Kubernetes API of one namespace that takes Jobs, and runs each one's container as a process of this machine.

What is posted is held against the OpenAPI schemas of a real cluster; a container gets just what its body says: its
command, its environment from ConfigMaps and Secrets, and the files that are mounted.
"""

import json
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from etl_platform.local.http_server import serve_in_thread
from etl_platform_tests.deploy.tools import tool

Body = dict[str, Any]
_JOBS = re.compile(r"/apis/batch/v1/namespaces/(?P<namespace>[^/]+)/jobs(/(?P<name>[^/?]+)(/status)?)?")
_STOP_WITHIN_S = 40


def schema_errors(documents: Sequence[Body], version: str) -> str:
    """What a cluster of this version says against the documents; empty if nothing."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump_all(documents, file)
        file.flush()
        program = [tool("kubernetes-validate"), "--kubernetes-version", version, "--strict", "--quiet", file.name]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@dataclass
class Cluster:
    """ConfigMaps and Secrets by name, and the Jobs that were taken.

    Attributes:
        version: of Kubernetes, whose schemas hold.
        root: where the mounted files and folders of all containers lie, but for /tmp, which is this machine's own. A
            variable whose value is a mounted folder is told its place there.
        node_environment: what a container has beside its body: the path to the programs, and as on EKS the AWS
            credentials that the service account stands for.
    """

    version: str
    root: Path
    config_maps: Mapping[str, Mapping[str, str]]
    secrets: Mapping[str, Mapping[str, str]]
    node_environment: Mapping[str, str]
    jobs: dict[str, Body] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    _pods: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def api(self) -> Iterator[str]:
        """Serve the API on loopback; its URL. Pods that still run then are told to stop."""
        handler = type("Handler", (_Handler,), {"cluster": self})
        try:
            with serve_in_thread(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as url:
                yield url
        finally:
            for name in list(self._pods):
                self.stop(name)

    def create(self, namespace: str, body: Body) -> tuple[int, Body]:
        """Take a Job and start its pod: 201, or 422 with what is wrong with it."""
        errors = schema_errors([body], self.version)
        if errors:
            self.refused.append(errors)
            return 422, _status("Failure", 422, errors)
        name = body["metadata"]["name"]
        with self._lock:
            if name in self.jobs:
                return 409, _status("Failure", 409, f"jobs.batch {name} already exists")
            made = {"namespace": namespace, "creationTimestamp": _now(), "uid": name}
            self.jobs[name] = body | {"metadata": body["metadata"] | made}
            self._pods[name] = self._start(body["spec"]["template"]["spec"])
        return 201, self.jobs[name]

    def read(self, name: str) -> tuple[int, Body]:
        """A Job with its status: its pod runs, has succeeded or has failed."""
        if name not in self.jobs:
            return 404, _status("Failure", 404, f"jobs.batch {name} not found")
        ended = self._pods[name].poll()
        told = {"active": 1} if ended is None else {"succeeded": 1} if ended == 0 else {"failed": 1}
        return 200, self.jobs[name] | {"status": told | {"startTime": _now()}}

    def stop(self, name: str) -> tuple[int, Body]:
        """End a Job's pod as the kubelet does: SIGTERM, and SIGKILL after the grace period."""
        if name not in self.jobs:
            return 404, _status("Failure", 404, f"jobs.batch {name} not found")
        pod = self._pods[name]
        pod.send_signal(signal.SIGTERM)
        try:
            pod.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            pod.kill()
            pod.wait()
        return 200, _status("Success", 200, "")

    def logs(self, name: str) -> str:
        return self._log(self.jobs[name]["spec"]["template"]["spec"]).read_text()

    def _log(self, pod: Body) -> Path:
        return self.root / f"{pod['containers'][0]['name']}.log"

    def _start(self, pod: Body) -> subprocess.Popen[bytes]:
        (container,) = pod["containers"]
        self._mount(pod, container)
        program = [*container.get("command", ()), *container.get("args", ())]
        with self._log(pod).open("wb") as log:
            return subprocess.Popen(
                program, env=self.environment(container), cwd=self.root, stdout=log, stderr=subprocess.STDOUT
            )

    def environment(self, container: Body) -> dict[str, str]:
        """What the processes of a container see, and nothing of this machine beside ``node_environment``."""
        found = dict(self.node_environment)
        for source in container.get("envFrom", ()):
            kept, kind = (self.config_maps, "configMapRef") if "configMapRef" in source else (self.secrets, "secretRef")
            found |= self._found(kept, source[kind])
        for item in container.get("env", ()):
            found[item["name"]] = item["value"] if "value" in item else self._value(item["valueFrom"])
        places = {mount["mountPath"]: str(self.place(mount["mountPath"])) for mount in container["volumeMounts"]}
        return {name: places.get(value, value) for name, value in found.items()}

    def place(self, path: str) -> Path:
        """Where a path of a container lies on this machine."""
        return Path(path) if path == "/tmp" else self.root / path.lstrip("/")

    @staticmethod
    def _found(kept: Mapping[str, Mapping[str, str]], reference: Body) -> Mapping[str, str]:
        return kept.get(reference["name"], {}) if reference.get("optional") else kept[reference["name"]]

    def _value(self, source: Body) -> str:
        reference = source["secretKeyRef"]
        return self.secrets[reference["name"]][reference["key"]]

    def _mount(self, pod: Body, container: Body) -> None:
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        for mount in container["volumeMounts"]:
            place, source = self.place(mount["mountPath"]), volumes[mount["name"]].get("configMap")
            if source is None:
                place.mkdir(parents=True, exist_ok=True)
            elif "subPath" in mount:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(self.config_maps[source["name"]][mount["subPath"]])
            else:
                place.mkdir(parents=True, exist_ok=True)
                for name, text in self._found(self.config_maps, source).items():
                    (place / name).write_text(text)


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = _JOBS.fullmatch(self.path.partition("?")[0])
        self._answer(*(self.cluster.create(found["namespace"], body) if found else self._unknown()))

    def do_GET(self) -> None:
        found = _JOBS.fullmatch(self.path.partition("?")[0])
        self._answer(*(self.cluster.read(found["name"]) if found and found["name"] else self._unknown()))

    def do_DELETE(self) -> None:
        found = _JOBS.fullmatch(self.path.partition("?")[0])
        self._answer(*(self.cluster.stop(found["name"]) if found and found["name"] else self._unknown()))

    def _unknown(self) -> tuple[int, Body]:
        self.cluster.refused.append(f"{self.command} {self.path}")
        return 404, _status("Failure", 404, f"{self.command} {self.path} is not served here")

    def _answer(self, code: int, body: Body) -> None:
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the Jobs and what was refused are kept."""


def kubeconfig(url: str) -> str:
    """A kubeconfig for this API, as its client reads it."""
    named = {"name": "here"}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [named | {"cluster": {"server": url}}],
            "users": [named | {"user": {}}],
            "contexts": [named | {"context": {"cluster": "here", "user": "here"}}],
        }
    )


def _status(status: str, code: int, message: str) -> Body:
    return {"apiVersion": "v1", "kind": "Status", "status": status, "code": code, "message": message}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
